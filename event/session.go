package event

import "time"

// Session is a room session as the log lists it.
type Session struct {
	Room string
	SID  string
	// First is the Seq of the first of its events, Last that of room_finished; 0
	// while the session is open.
	First, Last uint64
	// Events is how many there are, up to room_finished.
	Events uint64
	// Started and Ended are when those happened; Ended is zero while it is open.
	Started, Ended time.Time
	// Participants counts how often somebody joined.
	Participants uint64
	// Actor and Reason say who ended it and why.
	Actor  Actor
	Reason string
	// Synthesized says that its end was concluded after a crash.
	Synthesized bool
}
