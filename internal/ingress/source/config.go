package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// picture is what is known of a source's video.
type picture struct {
	codec         flv.Codec
	width, height int
	fps           float64 // 0 if not known
	params        [][]byte
	order         order
	config        []byte // what its decoder needs first, as its tag has it
}

// order says whether pictures come in the order in which they are shown.
type order uint8

const (
	orderUnknown order = iota
	ordered
	reordered // there are B-frames, which nobody in a room can show
)

// sound is what is known of a source's audio.
type sound struct {
	codec          flv.Codec
	channels, rate int
	config         []byte // as in picture
}

var errConfig = errors.New("malformed configuration of the codec")

// readPicture reads what a video stream begins with: its configuration, or a frame of
// those codecs that need none.
func readPicture(t flv.Tag) (picture, error) {
	p := picture{codec: t.Codec}
	if t.Kind == flv.Frame {
		p.order = ordered
		p.width, p.height = sizeOf(t)
		return p, nil
	}
	p.config = bytes.Clone(t.Data)
	var err error
	switch t.Codec {
	case flv.H264:
		if p.params, err = avcParams(t.Data); err != nil {
			return p, err
		}
		var sps h264.SPS
		for _, u := range p.params {
			if u[0]&31 == 7 {
				if err := sps.Unmarshal(u); err != nil {
					return p, fmt.Errorf("%w: %w", errConfig, err)
				}
				p.width, p.height, p.fps, p.order = sps.Width(), sps.Height(), sps.FPS(), avcOrder(&sps)
			}
		}
	case flv.H265:
		if p.params, err = hevcParams(t.Data); err != nil {
			return p, err
		}
		var sps h265.SPS
		for _, u := range p.params {
			if u[0]>>1&63 == 33 {
				if err := sps.Unmarshal(u); err != nil {
					return p, fmt.Errorf("%w: %w", errConfig, err)
				}
				p.width, p.height, p.fps, p.order = sps.Width(), sps.Height(), sps.FPS(), ordered
				for _, n := range sps.MaxNumReorderPics {
					if n > 0 {
						p.order = reordered
					}
				}
			}
		}
	case flv.AV1: // av1C: four bytes, then OBUs
		p.order = ordered
		if len(t.Data) > 4 {
			var obus av1.Bitstream
			if err := obus.Unmarshal(t.Data[4:]); err != nil {
				return p, fmt.Errorf("%w: %w", errConfig, err)
			}
			for _, o := range obus {
				var h av1.SequenceHeader
				if len(o) > 0 && av1.OBUType(o[0]>>3&15) == av1.OBUTypeSequenceHeader && h.Unmarshal(o) == nil {
					p.width, p.height = h.Width(), h.Height()
					p.params = [][]byte{append([]byte(nil), t.Data[4:]...)}
				}
			}
		}
	default:
		p.order = ordered
	}
	return p, nil
}

// avcOrder reads how pictures of H.264 are ordered (ITU-T H.264 §7.4.2.1.1, §E.2.1).
func avcOrder(s *h264.SPS) order {
	switch {
	case s.PicOrderCntType == 2, s.ProfileIdc == 66:
		return ordered
	case s.VUI != nil && s.VUI.BitstreamRestriction != nil:
		if s.VUI.BitstreamRestriction.MaxNumReorderFrames > 0 {
			return reordered
		}
		return ordered
	}
	return orderUnknown
}

// avcParams are the parameter sets of avcC (ISO/IEC 14496-15 §5.3.3).
func avcParams(b []byte) (units [][]byte, err error) {
	if len(b) < 7 || b[0] != 1 {
		return nil, fmt.Errorf("%w: avcC of %d bytes", errConfig, len(b))
	}
	if b[4]&3 != 3 {
		return nil, fmt.Errorf("%w: lengths of NAL units have %d bytes", errConfig, b[4]&3+1)
	}
	n, b := int(b[5]&31), b[6:]
	if units, b, err = takeUnits(units, b, n); err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: avcC ends early", errConfig)
	}
	if units, _, err = takeUnits(units, b[1:], int(b[0])); err != nil {
		return nil, err
	}
	if len(units) < 2 {
		return nil, fmt.Errorf("%w: avcC without parameter sets", errConfig)
	}
	return units, nil
}

// hevcParams are those of hvcC (ISO/IEC 14496-15 §8.3.3).
func hevcParams(b []byte) (units [][]byte, err error) {
	if len(b) < 23 {
		return nil, fmt.Errorf("%w: hvcC of %d bytes", errConfig, len(b))
	}
	if b[21]&3 != 3 {
		return nil, fmt.Errorf("%w: lengths of NAL units have %d bytes", errConfig, b[21]&3+1)
	}
	arrays, b := int(b[22]), b[23:]
	for range arrays {
		if len(b) < 3 {
			return nil, fmt.Errorf("%w: hvcC ends early", errConfig)
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if units, b, err = takeUnits(units, b[3:], n); err != nil {
			return nil, err
		}
	}
	if len(units) < 3 {
		return nil, fmt.Errorf("%w: hvcC without parameter sets", errConfig)
	}
	return units, nil
}

// takeUnits takes n units, each behind its length in two bytes.
func takeUnits(units [][]byte, b []byte, n int) (_ [][]byte, rest []byte, _ error) {
	for range n {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) || binary.BigEndian.Uint16(b) == 0 {
			return nil, nil, fmt.Errorf("%w: parameter sets end early", errConfig)
		}
		size := int(binary.BigEndian.Uint16(b))
		units, b = append(units, append([]byte(nil), b[2:2+size]...)), b[2+size:]
	}
	return units, b, nil
}

// readSound reads what an audio stream begins with.
func readSound(t flv.Tag) (sound, error) {
	s := sound{codec: t.Codec, channels: 2}
	if t.Kind == flv.Config {
		s.config = bytes.Clone(t.Data)
	}
	switch t.Codec {
	case flv.AAC:
		var c mpeg4audio.AudioSpecificConfig
		if err := c.Unmarshal(t.Data); err != nil {
			return s, fmt.Errorf("%w: %w", errConfig, err)
		}
		s.rate = c.SampleRate
		if c.ChannelConfig > 0 {
			s.channels = int(c.ChannelConfig)
		}
		if c.ExtensionSampleRate > 0 {
			s.rate = c.ExtensionSampleRate
		}
		if c.ExtensionType == mpeg4audio.ObjectTypePS {
			s.channels = 2
		}
	case flv.Opus: // RFC 7845 §5.1
		s.rate = 48_000
		if len(t.Data) >= 10 && string(t.Data[:8]) == "OpusHead" {
			s.channels = int(t.Data[9])
		}
	}
	return s, nil
}

// startCode stands before each unit of a stream (ITU-T H.264 annex B).
var startCode = []byte{0, 0, 0, 1}

// appendUnits appends a frame of H.264 or H.265 as a byte stream: one with which
// decoding begins with the parameter sets, unless it has its own.
func appendUnits(b []byte, p *picture, t flv.Tag) []byte {
	own := false
	body := len(b)
	for data := t.Data; len(data) >= 4; {
		n := int(binary.BigEndian.Uint32(data))
		unit := data[4 : 4+n]
		data = data[4+n:]
		if n == 0 {
			continue
		}
		switch kind := unit[0]; {
		case t.Codec == flv.H264 && (kind&31 == 9 || kind&31 == 12), // delimiters, filler
			t.Codec == flv.H265 && (kind>>1&63 == 35 || kind>>1&63 == 38):
			continue
		case t.Codec == flv.H264 && kind&31 == 7, t.Codec == flv.H265 && kind>>1&63 == 33:
			own = true
		}
		b = append(append(b, startCode...), unit...)
	}
	if t.Key && !own && len(b) > body {
		frame := append([]byte(nil), b[body:]...)
		b = b[:body]
		for _, u := range p.params {
			b = append(append(b, startCode...), u...)
		}
		b = append(b, frame...)
	}
	return b
}

// appendFrame appends a frame as samples of tracks are.
func appendFrame(b []byte, p *picture, t flv.Tag) []byte {
	switch t.Codec {
	case flv.H264, flv.H265:
		return appendUnits(b, p, t)
	case flv.AV1:
		if t.Key && len(p.params) > 0 && !hasSequenceHeader(t.Data) {
			b = append(b, p.params[0]...)
		}
	}
	return append(b, t.Data...)
}

func hasSequenceHeader(tu []byte) bool {
	var obus av1.Bitstream
	if obus.Unmarshal(tu) != nil {
		return true // nobody can decode it anyway
	}
	for _, o := range obus {
		if len(o) > 0 && av1.OBUType(o[0]>>3&15) == av1.OBUTypeSequenceHeader {
			return true
		}
	}
	return false
}
