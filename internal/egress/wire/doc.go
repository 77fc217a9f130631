// Package wire is what the server and the worker of one recording say to each
// other: frames of bytes down to the worker's standard input, lines of JSON up
// from its standard output.
//
// A worker whose input ends without End has lost its server. It finishes its file
// all the same.
package wire
