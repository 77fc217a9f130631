// Package httpapi is the HTTP edge: the mux, RoomService over Twirp, health,
// the stream of events, the pages, sessions of the dashboard, and the tools of a
// developer.
//
// Errors become statuses here and nowhere else. Twirp paths answer errors as
// Twirp does, {"code","msg"}; the other paths of the API answer
// {"code","message"}, with the same words for codes. Every response but those
// of /dev and /debug may be read by a page of any origin.
//
// The package owns no state but how often somebody asks and, beside the goroutines of net/http, one helper
// for each open event stream, which ends with it. It knows rooms and the log
// through the interfaces in options.go, and is imported by server alone.
package httpapi
