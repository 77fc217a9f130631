// Package frames makes frames of the packets of one track: in order, whole, and
// with the time at which each was captured.
//
// That time is on the server's clock, which all tracks of a recording have in
// common: before the publisher's sender reports are known it is when the first
// packet came, and later it follows the reports, a little at a time. Reports that do
// not agree with when packets come are corrected by that, for all tracks of their
// publisher alike: otherwise others were too late to be heard.
//
// A Track is for one goroutine, and reads no clock.
package frames
