// Package fold turns the events of a room into the room's state.
//
// A State is what the events up to one sequence number say: the session that
// they are of, its settings, who is in it and what they publish. Folding the
// same events gives the same state, wherever and whenever it is done.
//
// The package is pure: it owns no goroutine, reads no clock and no log, and
// imports event alone. httpapi uses it.
package fold
