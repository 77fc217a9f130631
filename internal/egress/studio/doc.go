// Package studio is the worker of recordings that are encoded anew: whole rooms in
// a layout, participants and tracks in a preset, streams, segments of MPEG-TS and
// images.
//
// The worker's goroutine puts what comes into a mailbox (Studio), and never waits.
// One goroutine has the canvas, the decoders and the mixer (floor): at the times of
// the output's pictures it draws what there is, and hands picture and sound to the
// encoder, waiting for it if it must. One more takes what comes out and has the
// outputs (desk). All that happens has a time on the server's clock; what is slow
// makes the recording late, and not wrong.
package studio
