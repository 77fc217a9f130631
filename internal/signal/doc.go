// Package signal is the edge between a client's WebSocket and a room: bytes
// become room commands, room messages become bytes.
//
// A connection has two goroutines: the HTTP handler's own reads, one more
// writes. What the room sends goes into a bounded queue, so a client that does
// not read never makes a room wait; its connection is closed and it may resume.
// The upgrade is answered only after the room has accepted the participant, so
// that every refusal reaches the SDK as an HTTP status with a reason.
//
// It may be imported by server.
package signal
