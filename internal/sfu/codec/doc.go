// Package codec reads the few payload bytes a forwarder must understand:
// whether a packet begins a key frame, and where the counters are that must
// run on when the stream is spliced (VP8 and VP9 picture ids, TL0PICIDX,
// KEYIDX, the frame number of the AV1 dependency descriptor), and what VP8, VP9
// and that descriptor tell of layers.
//
// It is pure, never keeps its input, never panics and is a leaf; up-tracks
// and down-tracks import it.
package codec
