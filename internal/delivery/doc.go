// Package delivery pushes the records of the event log to webhook endpoints.
//
// One goroutine (feed) reads the log; each endpoint has one loop that owns its
// lanes, breaker, cursors, attempts and dead letters, and starts attempts, each
// on a goroutine of its own. A lane is (endpoint, room name): strict order, one
// request in flight. Its head is retried until it is accepted, or shown to be
// refused alone (abandon.go); a failing endpoint harms only itself. Success is
// 2xx, redirects are not followed, 410 disables. What is not acknowledged is sent
// again after a crash: at least once, the same id, no gap without notice.
// Endpoints come from the config or at run time (registry.go, the latter behind
// guard.go) and are stored with their secrets in the log's directory.
//
// Memory is bounded whatever the backlog. Only server and httpapi import this.
package delivery
