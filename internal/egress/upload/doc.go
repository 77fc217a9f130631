// Package upload brings the files of recordings to where they are to be kept, and
// loses none on the way. It never deletes a file.
//
// A Parcel is the files of one recording and the store that they go to. It is kept
// beside the recording's state, so that a restart goes on where it was; a Sender sends
// it, one file after the other, and tries again for as long as a week: what is offered
// before the end at once, and what is followed each time that more got through.
//
// When the recording has ended, whoever waits for its end is told within a bound: when
// all files are in the store; or, when the store refuses them or does not answer for
// Options.Patience, when they are in the backup store, if there is one, and else where
// they lie. What is not in the store then goes on being sent. A Sender is one
// goroutine, started by Start and waited for by Close. Times are the clock's, which
// tests make.
package upload
