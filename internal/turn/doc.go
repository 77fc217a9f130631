// Package turn is the embedded relay, for clients that reach neither the UDP
// nor the TCP port of media: TURN (RFC 8656) over UDP and TLS, by pion/turn.
//
// It relays to this server's own media ports and to nothing else, so it is no
// way into the network behind the server. Credentials are a participant's own:
// Admit makes them, Revoke ends them and everything that was allocated with
// them. Allocations and bit rate are limited, per participant and address.
//
// pion/turn owns a goroutine per socket, connection and allocation; all of them
// end with their sockets, which Close closes. What one of them has for a channel
// when it is woken leaves together, and past pion. Only server imports this package.
package turn
