// Package quality turns what was measured of a connection into the score that
// people would give it.
//
// It is pure: no goroutine, no clock, no import beyond the standard library.
// Everybody below server may import it.
package quality
