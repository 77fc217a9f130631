// Package record seals and opens the records of DTLS 1.2 (RFC 6347 §4.1) with
// AES-GCM (RFC 5288), in place, for the application data of a connection whose
// handshake another has made.
//
// A Sealer numbers its records from FirstNumber on, so that they share a key with
// the records of whoever made the handshake and never a nonce. Neither a Sealer
// nor an Opener is safe for concurrent use. It knows no transport and no pion
// package.
package record
