// Package tlsmux serves HTTPS and TURN over TLS on one port.
//
// Nothing in TLS tells them apart: who speaks TURN offers no protocol of its own
// in the handshake. The first byte inside does. A STUN message begins with two
// zero bits (RFC 8489 §5), and a request with another six; HTTP begins with a
// letter. Connections that negotiated HTTP/2 are not looked into.
package tlsmux
