// Package transport moves packets between sockets and connections.
//
// A Mux owns UDP sockets, with one reader goroutine for each: those that all connections
// share, or of one alone. Streams owns the connections of ICE-TCP. A reader takes as many
// datagrams as one wake-up brought (recvmmsg, UDP_GRO) and calls the Handler of the Link
// that each is for, in place, on its own goroutine: a connectivity check names a Link,
// and the rest comes from an address that a Link has claimed. What is written to the
// Batch meanwhile goes out when they are all handled, in one system call, as a train
// (UDP_SEGMENT) where several packets go to one destination. No timer, no lock and no
// allocation is between a packet that arrives and the packets that follow from it.
//
// It neither looks for paths nor knows what the packets mean. Imported by sfu/peer, and by
// turn, whose relays read Ports and send batches.
package transport
