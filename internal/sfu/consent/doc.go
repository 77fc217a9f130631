// Package consent keeps what ICE has found alive: it answers the client's checks
// of the path that was chosen, makes ours, and knows when the client was last
// heard of, when it last consented to being sent to (RFC 7675), and how long its
// answers take.
//
// It is given the time and the datagrams, and has no goroutine, timer or socket.
// Only what it can authenticate counts; everything else is the ICE agent's to
// judge. Messages are read and written by sfu/stun. Imported by sfu/peer.
package consent
