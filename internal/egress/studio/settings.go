package studio

import (
	"cmp"
	"fmt"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Error says what is wrong with what is asked for.
type Error struct{ Problem string }

// Error says it.
func (e *Error) Error() string { return e.Problem }

// ErrorCode is that of bad arguments, as Twirp spells it.
func (e *Error) ErrorCode() string { return "invalid_argument" }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// What is used where nothing is asked for: the preset H264_720P_30.
var defaults = wire.Encoding{
	Width: 1280, Height: 720, Framerate: 30, VideoBitrate: 3000, AudioBitrate: 128, AudioFrequency: 44100,
}

// Settings are how a job is encoded. It fails with an *Error if its outputs cannot
// have what they ask for.
func Settings(job wire.Job) (s ffmpeg.Settings, err error) {
	e := defaults
	if job.Encoding != nil {
		e = *job.Encoding
	}
	s = ffmpeg.Settings{
		Width: e.Width, Height: e.Height, Framerate: e.Framerate, VideoBitrate: e.VideoBitrate, Profile: "main",
		KeyFrames: job.KeyFrames(), AudioBitrate: e.AudioBitrate, AudioFrequency: e.AudioFrequency,
	}
	if job.Video {
		s.Video = container.H264
	}
	if job.Audio {
		s.Audio = container.AAC
	}
	// What the outputs take.
	for _, o := range job.Outputs {
		switch format := container.Format(o.Format); {
		case o.Kind == wire.File && format == container.WebM:
			s.Audio = cmp.Or(onlyIf(job.Audio, container.Opus), "")
			s.Video = onlyIf(job.Video, container.VP8)
		case o.Kind == wire.File && format == container.Ogg:
			s.Video, s.Audio = "", onlyIf(job.Audio, container.Opus)
		case o.Kind == wire.File && format == container.MP3File:
			s.Video, s.Audio = "", onlyIf(job.Audio, container.MP3)
		case o.Kind == wire.File && format == container.M4A:
			s.Video = ""
		}
	}
	if s.Video != "" {
		switch e.VideoCodec {
		case "", "DEFAULT_VC", "H264_MAIN":
		case "H264_BASELINE":
			s.Profile = "baseline"
		case "H264_HIGH":
			s.Profile = "high"
		case "VP8":
			s.Video = container.VP8
		case "VP9":
			s.Video = container.VP9
		default:
			return s, wrong("video_codec %s cannot be encoded: H264_BASELINE, H264_MAIN and H264_HIGH can", e.VideoCodec)
		}
	}
	if s.Audio != "" {
		switch e.AudioCodec {
		case "", "DEFAULT_AC":
		case "AAC":
			s.Audio = container.AAC
		case "OPUS":
			s.Audio = container.Opus
		case "AC_MP3":
			s.Audio = container.MP3
		default:
			return s, wrong("audio_codec %s cannot be encoded: OPUS, AAC and AC_MP3 can", e.AudioCodec)
		}
	}
	if s.Audio == "" && s.Video == "" {
		return s, wrong("the outputs have room neither for what is heard nor for what is seen")
	}
	return s, check(job.Outputs, s)
}

func onlyIf(b bool, c container.Codec) container.Codec {
	if b {
		return c
	}
	return ""
}

// check says whether all outputs take the same codecs: there is one encoder.
func check(outputs []wire.Output, s ffmpeg.Settings) error {
	tracks := s.Tracks()
	for _, o := range outputs {
		switch o.Kind {
		case wire.File:
			if f := container.Format(o.Format); f != "" && container.BestFormat(tracks, f) != f {
				return wrong("a %s cannot have %s: leave the codec out, or name another file", f, codecNames(tracks))
			}
		case wire.Segments, wire.Stream:
			for _, t := range tracks {
				ok := t.Codec == container.H264 || t.Codec == container.AAC || t.Codec == container.MP3
				if !ok {
					return wrong("a stream, and segments of MPEG-TS, cannot have %s: want H264 with AAC", codecNames(tracks))
				}
			}
		case wire.Images:
			if s.Video == "" {
				return wrong("image_outputs want pictures of what has none")
			}
		case wire.Socket:
			return wrong("a WebSocket gets sound as samples, and nothing that is encoded")
		}
	}
	return nil
}

func codecNames(tracks []container.Track) (names string) {
	for i, t := range tracks {
		if i > 0 {
			names += " with "
		}
		names += string(t.Codec)
	}
	return names
}

// Check says whether a job can be done by a program: it fails with an *Error, or
// with an *ffmpeg.MissingError.
func Check(program *ffmpeg.Program, job wire.Job) error {
	s, err := Settings(job)
	if err != nil {
		return err
	}
	if !compose.Layout(job.Layout).Known() {
		return wrong("layout %.64q is none: want grid, speaker or single-speaker, with -light or -dark after it or neither", job.Layout)
	}
	if job.Kind == wire.Browse {
		s.Video = "" // the browser encodes it
	}
	need := s.Encoders()
	for _, o := range job.Outputs {
		for _, d := range o.Destinations {
			need = append(need, ffmpeg.Protocols(d.URL)...)
		}
	}
	return program.Need(need...)
}
