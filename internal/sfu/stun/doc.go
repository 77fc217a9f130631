// Package stun reads and writes the connectivity checks of ICE and their answers
// (RFC 8489, RFC 8445 §7), and nothing else of STUN: every message has a
// fingerprint and, unless it is an error, a short-term integrity.
//
// It is functions over bytes that the caller owns; reading and writing allocate
// nothing. Imported by sfu/ice, sfu/consent, sfu/peer and sfu/transport.
package stun
