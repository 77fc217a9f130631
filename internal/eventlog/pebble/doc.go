// Package pebble is the event log's store on a local disk: a Pebble LSM tree in
// one directory, which one process can have open.
//
// A write that fails ends the store: no failed sync is ever tried again, since
// the kernel may have dropped the pages and would then report success. Whoever
// met the failure, also a goroutine of Pebble's, stays parked; the Apply under
// way and all after it fail; the database is left unclosed, for the process to
// end and recover from the WAL.
//
// It is safe for use by many goroutines. Only the server imports it.
package pebble
