// Package stack makes room for goroutines that are known to go deep.
//
// A goroutine begins with two kilobytes or so, and each time that they do not suffice
// it is copied to twice as much, frame by frame, with all that it has called by then.
// One that lives for a moment and encodes a description does so three or four times,
// which is a good part of its work. Reserve has it done once, while there is nothing
// to copy. What is not used the garbage collector takes back.
//
// It owns nothing and imports nothing.
package stack
