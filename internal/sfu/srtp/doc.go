// Package srtp seals and opens RTP and RTCP packets in place (RFC 3711, RFC 7714).
//
// A Sealer holds the keys of what is sent on one connection. It is safe for
// concurrent use and takes no lock: what changes while packets are sealed is in
// a Scratch, which belongs to one goroutine at a time, and in a Stream, which
// keeps the packet index of one SSRC. An Opener holds the keys, indices and
// replay windows of what is received; one goroutine at a time may use it.
//
// With AES-GCM nothing is allocated for a packet; AES-CM allocates the state of
// its key stream, for which the standard library has no other way at speed.
// It knows no transport and no pion package.
package srtp
