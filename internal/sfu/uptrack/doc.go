// Package uptrack receives one published track and hands its packets to sinks.
//
// An UpTrack has an Input for each stream of the track (one, or one per
// simulcast rid). Who receives packets puts them there, on a goroutine of his
// own: each is parsed once, counted, kept for retransmission, and handed to
// every Sink of an immutable list in turn. Nothing on that path waits for a
// subscriber's state, and nothing is allocated per packet or per sink.
//
// Everything the publisher must hear goes out through Options.WriteRTCP:
// NACK, PLI (throttled per layer) and receiver reports. Transport-wide
// congestion feedback is not ours.
//
// It knows pion/rtp and pion/rtcp and no transport. Imported by downtrack and
// by sfu/peer, which demultiplexes connections into Inputs.
package uptrack
