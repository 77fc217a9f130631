package container

import (
	"fmt"
	"io"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
)

// TS writes frames as MPEG-TS: a stream that can be cut before any key frame.
type TS struct {
	w      *mpegts.Writer
	tracks []*mpegts.Track
	codecs []Codec
}

// tsStart is added to all times, so that none is before the beginning.
const tsStart = 2 * time.Second

// NewTS begins a stream of H264, H265, AAC, MP3 and Opus. It fails with ErrCodec for
// anything else.
func NewTS(w io.Writer, tracks []Track) (*TS, error) {
	t := new(TS)
	for _, track := range tracks {
		mt := &mpegts.Track{}
		switch track.Codec {
		case H264:
			mt.Codec = &codecs.H264{}
		case H265:
			mt.Codec = &codecs.H265{}
		case AAC:
			mt.Codec = &codecs.MPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{
				Type: mpeg4audio.ObjectTypeAACLC, SampleRate: track.Rate, ChannelConfig: uint8(max(track.Channels, 1)), ChannelCount: max(track.Channels, 1),
			}}
		case MP3:
			mt.Codec = &codecs.MPEG1Audio{}
		case Opus:
			mt.Codec = &codecs.Opus{ChannelCount: max(track.Channels, 1)}
		default:
			return nil, fmt.Errorf("%w: %s in MPEG-TS", ErrCodec, track.Codec)
		}
		t.tracks, t.codecs = append(t.tracks, mt), append(t.codecs, track.Codec)
	}
	t.w = &mpegts.Writer{W: w, Tracks: t.tracks}
	if err := t.w.Initialize(); err != nil {
		return nil, err
	}
	return t, nil
}

// Write writes a frame; its errors are those of the writer, and ErrFrame.
func (t *TS) Write(f Frame) error {
	at := inTicks(f.At+tsStart, videoScale)
	track := t.tracks[f.Track]
	switch codec := t.codecs[f.Track]; codec {
	case H264, H265:
		var units h264.AVCC
		if err := units.Unmarshal(f.Data); err != nil {
			return fmt.Errorf("%w: %w", ErrFrame, err)
		}
		if codec == H265 {
			return t.w.WriteH265(track, at, at, units)
		}
		return t.w.WriteH264(track, at, at, units)
	case AAC:
		return t.w.WriteMPEG4Audio(track, at, [][]byte{f.Data})
	case MP3:
		return t.w.WriteMPEG1Audio(track, at, [][]byte{f.Data})
	default:
		return t.w.WriteOpus(track, at, [][]byte{f.Data})
	}
}
