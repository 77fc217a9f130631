// Package source makes tracks of a room of what encoders push by RTMP, and of what is
// pulled from URLs.
//
// A feed takes the tags of one session, on one goroutine. It waits until it knows
// what the source has, decides what may go as it comes and what a child of ffmpeg
// has to encode, publishes the tracks, and then holds nothing back. What it cannot
// do ends the session with a reason that people understand.
package source
