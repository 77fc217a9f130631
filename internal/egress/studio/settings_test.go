package studio

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

func TestCodecsFitAllOutputs(t *testing.T) {
	file := func(format string) wire.Output { return wire.Output{Kind: wire.File, Format: format} }
	stream, ts := wire.Output{Kind: wire.Stream}, wire.Output{Kind: wire.Segments, Length: 2 * time.Second, TS: true}
	for _, c := range []struct {
		name         string
		outputs      []wire.Output
		encoding     *wire.Encoding
		video, audio container.Codec // both empty: refused
	}{
		{"nothing named", []wire.Output{file("")}, nil, container.H264, container.AAC},
		{"webm", []wire.Output{file(".webm")}, nil, container.VP8, container.Opus},
		{"ogg", []wire.Output{file(".ogg")}, nil, "", container.Opus},
		{"mp3", []wire.Output{file(".mp3")}, nil, "", container.MP3},
		{"file, stream and segments", []wire.Output{file(".mp4"), stream, ts}, nil, container.H264, container.AAC},
		{"Opus in MP4", []wire.Output{file(".mp4")}, &wire.Encoding{AudioCodec: "OPUS"}, container.H264, container.Opus},
		{"Opus to RTMP", []wire.Output{stream}, &wire.Encoding{AudioCodec: "OPUS"}, "", ""},
		{"stream beside WebM", []wire.Output{file(".webm"), stream}, nil, "", ""},
		{"images of sound", []wire.Output{file(".mp3"), {Kind: wire.Images}}, nil, "", ""},
		{"a codec that is none", []wire.Output{file(".mp4")}, &wire.Encoding{VideoCodec: "MPEG2"}, "", ""},
	} {
		s, err := Settings(wire.Job{Audio: true, Video: true, Outputs: c.outputs, Encoding: c.encoding})
		var problem *Error
		if refused := c.video == "" && c.audio == ""; refused != errors.As(err, &problem) || !refused && (s.Video != c.video || s.Audio != c.audio) {
			t.Errorf("%s: %q with %q, %v", c.name, s.Video, s.Audio, err)
		}
	}
	if s, _ := Settings(wire.Job{Video: true, Outputs: []wire.Output{ts}}); s.KeyFrames != 2*time.Second {
		t.Errorf("segments of 2 s have key frames every %v", s.KeyFrames)
	}
}

// What is not installed is told before anything begins, with what to install.
func TestMissingEncoderIsNamed(t *testing.T) {
	err := Check(new(ffmpeg.Program), wire.Job{Audio: true, Outputs: []wire.Output{{Kind: wire.File, Format: ".mp3"}}})
	var missing *ffmpeg.MissingError
	if !errors.As(err, &missing) || missing.ErrorCode() != "failed_precondition" || missing.Package != "ffmpeg" {
		t.Errorf("%v", err)
	}
}
