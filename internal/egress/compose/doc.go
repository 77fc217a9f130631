// Package compose puts the pictures of several people onto one, and their sound
// into one.
//
// A Canvas has a layout of tiles, draws what has changed and nothing else, and
// writes names in a typeface that is compiled in. A Mixer adds up what is heard at
// the same time, and says who speaks. Both are for one goroutine; neither reads a
// clock, starts a process or waits.
package compose
