// Package eventlog keeps the one durable log of events: append, read, cursors, the
// list of room sessions, and the closing of what a crash left open.
//
// Append puts events into a bounded ring and never waits for the disk. One
// committer goroutine takes what has gathered, freezes the webhook bodies and
// writes the group to the Store in one synced batch; only then do readers see
// it. A Log whose Store fails is failed for good: it keeps what it reported
// durable, refuses the rest, and its owner must stop the process. A second
// goroutine trims what Retention does not keep.
//
// Engines live below: pebble (the default) and memory; storetest holds the
// suite that each must pass. The server builds the Log, delivery and the API
// read it; rooms reach it through a function only.
package eventlog
