// Package keyframe decides when a publisher is asked for a key frame.
//
// A Requester is pure: it is told the time and answers whether a PLI goes
// out. Its owner guards it. Up-tracks import it.
package keyframe
