// Package soak kills the heart of the server, the event log with its delivery,
// thousands of times, and cuts its power, and judges what is left.
//
// A victim is a process (this test binary once more) that opens the log, closes
// what the life before left open, delivers to two receivers and writes events of
// several rooms, until it dies: by a signal at a random moment, or by its own
// hand at a chosen one, before or after a write, a sync, a commit, a request, an
// answer or a saved cursor. A power cut is the same on a file system in memory
// that forgets what was not synced. The judge knows what was reported durable
// and what the receivers got, and holds every later life to it.
//
// `go test` runs a short form; `make soak` the long one. It has tests only.
package soak
