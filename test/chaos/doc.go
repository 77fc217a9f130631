// Package chaos kills the real server at random moments and counts what is
// left.
//
// Its tests build the binary, run it on loopback with a data directory of its
// own, and drive it with many small clients that speak the signal protocol and
// bring up real transports. What they hold the server to is the promise of the
// log: what was once visible is never lost, nothing is out of order, and
// whatever began ends exactly once. The seed of a run is printed; set
// ROLLCALL_CHAOS_SEED to repeat its choices.
//
// It has tests only. Nobody imports it.
package chaos
