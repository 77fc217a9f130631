// Package webhook receives Rollcall's webhooks, and LiveKit's: it verifies a
// request from its raw bytes, says precisely what is wrong with one that does
// not verify, and returns the event together with what Rollcall signs beside
// LiveKit's body, such as the place in the log.
//
// Deliveries come at least once and in order per room: answer 2xx when the
// event is stored, and treat an ID that was seen before as done. The package
// owns no goroutine and keeps no state.
package webhook
