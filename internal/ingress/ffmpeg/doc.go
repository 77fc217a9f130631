// Package ffmpeg has a child process decode and encode what a stream brings: AAC
// and MP3 to Opus, video with B-frames to some without, to H264 or VP8 in one to three
// sizes. What it can is what the ffmpeg at hand can, which Able says.
//
// A Transcoder takes tags of FLV, handed on in Matroska if they are of codecs that
// older versions do not expect there, and returns frames with the times of their tags,
// as they come: nothing in it waits for more than the codecs do. The child reads
// from a pipe and writes to pipes. It ends with its input, so with the server.
//
// Write blocks while the child has too much to do. A Transcoder's goroutines end
// before Close returns.
package ffmpeg
