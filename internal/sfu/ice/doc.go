// Package ice finds the path to a client: the ICE agent (RFC 8445) of a server,
// whose candidates are addresses of its host and known beforehand. It answers the
// client's checks, makes ours, agrees on a path with the client, and follows a
// client that moves.
//
// An Agent has no goroutine, timer, socket or clock. It is told what arrived and
// what time it is, sends on the goroutine that told it, and says when it wants to
// be told the time again: not at all once there is a path, which sfu/consent keeps
// from then on. Its lock is held while it calls what Options and Sender have, and
// those must not call it. Imported by sfu/peer.
package ice
