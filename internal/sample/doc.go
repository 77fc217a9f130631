// Package sample makes an example of every event of the catalogue: what a
// receiver can be tried with before anything has happened.
//
// The examples are of one short story: ana and ben in the room
// daily-standup. Nothing in them is secret or true.
//
// The package is a leaf above event: it owns no goroutine and takes the time as
// an argument. cmd uses it.
package sample
