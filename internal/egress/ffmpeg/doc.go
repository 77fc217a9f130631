// Package ffmpeg decodes, encodes and sends by child processes of the ffmpeg that
// is installed. Nothing of it is linked in.
//
// Find looks at what the program can do, so that what it cannot is refused before
// anything begins. A Decoder makes pictures of one track, an Encoder frames of
// pictures and samples, and a Pusher sends frames to one destination, again and
// again if it has to. Each child lives in its parent's process group, ends when its
// input does, and is killed if its parent dies.
package ffmpeg
