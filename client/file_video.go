package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/h264reader"
)

const (
	// maxFrame is more bytes than any frame of a video that a room can carry has.
	maxFrame = 16 << 20
	// longest is a video that nobody has watched to its end.
	longest = 1000 * time.Hour
)

// ivfSource plays an IVF file: a header, and a short one before each frame, all
// numbers of which are little-endian.
type ivfSource struct {
	in       io.Reader
	tick     time.Duration
	ahead    *frame // read already, to know how long the one before lasts
	duration time.Duration
	over     bool
}

const (
	ivfHeader      = 32
	ivfFrameHeader = 12
)

func openIVF(in io.Reader) (*File, error) {
	var h [ivfHeader]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownMedia, unexpected(err))
	}
	rate, scale := binary.LittleEndian.Uint32(h[16:]), binary.LittleEndian.Uint32(h[20:])
	codec, known := map[string]webrtc.RTPCodecCapability{"VP80": VP8, "VP90": VP9, "AV01": AV1}[string(h[8:12])]
	if string(h[:4]) != "DKIF" || !known || rate == 0 || scale == 0 {
		return nil, fmt.Errorf("%w: IVF with %q", ErrUnknownMedia, h[8:12])
	}
	tick := time.Duration(float64(time.Second) * float64(scale) / float64(rate))
	return &File{
		tracks: []*LocalTrack{NewLocalTrack(codec)}, source: &ivfSource{in: in, tick: tick, duration: tick},
		width: uint32(binary.LittleEndian.Uint16(h[12:])), height: uint32(binary.LittleEndian.Uint16(h[14:])),
	}, nil
}

func (s *ivfSource) read() (*frame, error) {
	var h [ivfFrameHeader]byte
	if _, err := io.ReadFull(s.in, h[:]); err != nil {
		return nil, err // io.EOF between frames is the end
	}
	size, at := binary.LittleEndian.Uint32(h[:]), binary.LittleEndian.Uint64(h[4:])
	if size > maxFrame || at > uint64(longest/max(s.tick, 1)) {
		return nil, fmt.Errorf("%w: frame out of range", ErrUnknownMedia)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(s.in, data); err != nil {
		return nil, unexpected(err)
	}
	return &frame{at: time.Duration(at) * s.tick, Sample: Sample{Data: data}}, nil
}

// next returns a frame that lasts until the one after it begins.
func (s *ivfSource) next() (frame, error) {
	now, err := s.ahead, error(nil)
	switch {
	case s.over && now == nil:
		return frame{}, io.EOF
	case now == nil:
		if now, err = s.read(); err != nil {
			return frame{}, err
		}
	}
	s.ahead = nil
	if !s.over {
		if s.ahead, err = s.read(); errors.Is(err, io.EOF) {
			s.over = true
		} else if err != nil {
			return frame{}, err
		}
	}
	if s.ahead != nil && s.ahead.at > now.at {
		s.duration = s.ahead.at - now.at
	}
	now.Duration = s.duration
	return *now, nil
}

// h264FrameDuration is how long a picture lasts in a byte stream that does not
// say it.
const h264FrameDuration = time.Second / 30

// h264Source plays an Annex B byte stream, 30 pictures a second.
type h264Source struct {
	in *h264reader.H264Reader
	at time.Duration
}

func openH264(in io.Reader) (*File, error) {
	r, err := h264reader.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownMedia, err)
	}
	return &File{tracks: []*LocalTrack{NewLocalTrack(H264)}, source: &h264Source{in: r}}, nil
}

// next returns what belongs to one picture: parameters first, then a slice.
func (s *h264Source) next() (frame, error) {
	f := frame{at: s.at, Sample: Sample{Duration: h264FrameDuration}}
	for {
		nal, err := s.in.NextNAL()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return frame{}, io.EOF
			}
			return frame{}, fmt.Errorf("%w: %w", ErrUnknownMedia, err)
		}
		if len(f.Data)+len(nal.Data) > maxFrame {
			return frame{}, fmt.Errorf("%w: frame out of range", ErrUnknownMedia)
		}
		f.Data = append(append(f.Data, 0, 0, 0, 1), nal.Data...)
		if nal.UnitType >= h264reader.NalUnitTypeCodedSliceNonIdr && nal.UnitType <= h264reader.NalUnitTypeCodedSliceIdr {
			s.at += h264FrameDuration
			return f, nil
		}
	}
}

// codecOfWebM returns the codec that Matroska calls so.
func codecOfWebM(id string) (webrtc.RTPCodecCapability, bool) {
	c, known := map[string]webrtc.RTPCodecCapability{
		"A_OPUS": Opus, "V_VP8": VP8, "V_VP9": VP9, "V_AV1": AV1,
	}[strings.ToUpper(id)]
	return c, known
}
