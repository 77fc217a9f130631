// Package room is the control plane: rooms, participants, tracks, subscriptions.
//
// A Room is an actor. One goroutine, its loop, owns the state of one room
// session; everybody else posts closures to it and may wait for the turn to end.
// The loop never waits: not for a socket, a peer connection, a disk or a client.
// Messages to clients go into bounded queues (Sink), media work goes to the
// connection's own goroutine, events go to the Publish function at the end of
// each turn, before the caller of that turn gets its answer.
//
// The Registry finds or makes rooms, one live session for each name, and is the
// API that the HTTP side calls. The package knows no wire but livekit's
// messages, and nothing of what stands behind Publish. It may be imported by
// signal and server.
package room
