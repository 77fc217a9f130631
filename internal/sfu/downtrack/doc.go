// Package downtrack sends one up-track to one subscriber.
//
// A DownTrack is a Sink of its up-track: it picks the layer, starts video at
// key frames, rewrites sequence numbers, timestamps and codec picture ids so
// that the subscriber sees one unbroken stream, and answers the subscriber's
// RTCP. Write runs on the up-track's goroutines. Every other method may be
// called from anywhere and none waits for a packet of the path being written;
// all but HandleRTCP may be called from within Writer.WriteRTP.
//
// It knows pion/rtp and pion/rtcp and no transport. Imported by sfu/peer.
package downtrack
