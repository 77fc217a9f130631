// Package uptrack receives one published track and hands its packets to sinks.
//
// An UpTrack owns the Streams of the track (one, or one per simulcast rid).
// Each Stream has one goroutine: it reads a packet, parses it once, counts it,
// asks for what was lost, keeps a copy for retransmission, and calls every
// Sink of an immutable list in turn. Nothing on that path waits for a
// subscriber's state, and nothing is allocated per packet or per sink.
//
// Everything the publisher must hear goes out through Options.WriteRTCP:
// NACK, PLI (throttled per layer) and receiver reports. Transport-wide
// congestion feedback is not ours.
//
// It knows pion/rtp and pion/rtcp and no transport. Imported by downtrack and
// by sfu/peer, which adapts connections to Stream.
package uptrack
