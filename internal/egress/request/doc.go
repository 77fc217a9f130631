// Package request reads the seven ways in which LiveKit's API asks for a recording
// into one value, Request, and says what is wrong with one that cannot be.
//
// It knows nothing of what can be done: whether a Request can be served, and by
// whom, is decided by package egress. Nothing in here waits, reads a file or asks a
// room.
package request
