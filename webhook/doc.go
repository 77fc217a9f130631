// Package webhook receives Rollcall's webhooks, and LiveKit's.
//
// Receive verifies a request from its raw bytes, says precisely what is wrong
// with one that does not verify, and returns the event with what Rollcall signs
// beside LiveKit's body. Deliveries come at least once, in order per room.
//
// Inbox makes that exactly once: it takes each event in the application's own
// transaction, ignores what it has, and fetches what is missing from the log.
// RoomState folds events into who is in a room.
//
// The package starts no goroutine. It imports event and internal/fold.
package webhook
