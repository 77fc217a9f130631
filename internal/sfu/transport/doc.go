// Package transport moves datagrams between sockets and connections.
//
// A Mux owns the UDP sockets that all connections share, with one reader
// goroutine for each socket. A reader takes as many datagrams as one wake-up
// brought (recvmmsg, UDP_GRO), hands STUN and DTLS to the ICE agent, which
// gathers from a Link, and RTP and RTCP to the Link's Handler, in place, on its
// own goroutine. What is written to the Batch meanwhile goes out when they are
// all handled, in one system call, as a train (UDP_SEGMENT) where several
// packets go to one destination. No timer, no lock and no allocation is between
// a packet that arrives and the packets that follow from it.
//
// It knows neither pion nor what the packets mean. Imported by sfu/peer.
package transport
