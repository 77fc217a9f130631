// Package source makes tracks of a room of what encoders push by RTMP, of what is
// pulled from URLs, and of what WebRTC clients send if it is to be encoded anew.
//
// A feed takes the tags of one session, on one goroutine. It waits until it knows
// what the source has, decides what may go as it comes and what a child of ffmpeg
// has to encode, publishes the tracks, and then holds nothing back. Sound or pictures
// that come later join, with a child of their own. What it cannot do ends the session
// with a reason that people understand. A Reception makes tags of the packets of a
// client for it.
package source
