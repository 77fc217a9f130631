// Package flv reads and writes what RTMP messages and FLV files carry: tags of
// audio and video (Adobe FLV 10.1 annex E, Enhanced RTMP v2).
//
// A tag's body is the same in both, so the server of RTMP and the pipes to ffmpeg
// share it. It is pure, keeps no input, never panics and is a leaf.
package flv
