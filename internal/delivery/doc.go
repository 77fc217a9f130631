// Package delivery pushes the records of the event log to webhook endpoints.
//
// One goroutine (feed) reads the log; each endpoint has one loop that owns its
// lanes, its breaker and its cursors, and starts at most Concurrency attempts,
// each on a goroutine of its own. A lane is (endpoint, room name): strict
// order, one request in flight, alive only while it has work. The head of a
// lane is retried until it is accepted and is never skipped; it holds its own
// lane only, and a failing endpoint only itself. Success is 2xx, redirects are
// not followed, 410 disables the endpoint. What is not acknowledged is sent
// again after a crash: at least once, in order, the same id.
//
// Memory is bounded whatever the backlog: lanes keep a window of sequence
// numbers and the log is read again. Only server imports this package.
package delivery
