// Package seqmap numbers packets: Extender unwraps sequence numbers, Map
// renumbers a stream from which packets are left out, History finds a sent
// packet's origin again.
//
// Extender and Map belong to one goroutine (or one lock); History has one
// writer and any number of readers without locks. Pure leaf of uptrack and
// downtrack.
package seqmap
