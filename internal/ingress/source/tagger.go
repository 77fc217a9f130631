package source

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// A tagger makes tags of frames, as an encoder of RTMP would send them.
type tagger struct {
	codec  container.Codec
	kind   byte   // of the tags
	fourCC string // of Enhanced RTMP; empty for H264
	config []byte // of H264 and H265, as it was told last
}

// taggerOf fails for a codec whose frames are not encoded anew.
func taggerOf(c container.Codec) (tagger, error) {
	t := tagger{codec: c, kind: flv.TypeVideo}
	switch c {
	case container.H264:
	case container.H265:
		t.fourCC = "hvc1"
	case container.VP8:
		t.fourCC = "vp08"
	case container.VP9:
		t.fourCC = "vp09"
	case container.AV1:
		t.fourCC = "av01"
	case container.Opus:
		t.kind, t.fourCC = flv.TypeAudio, "Opus"
	default:
		return t, fmt.Errorf("%s is not encoded anew", c)
	}
	return t, nil
}

// of returns the bodies of the tags of a frame: one, or two if what configures decoders
// is new.
func (t *tagger) of(f frames.Frame) (bodies [][]byte) {
	const sequenceStart, codedFrames, codedFramesX = 0, 1, 3 // X: shown when they are decoded
	switch {
	case t.codec == container.H265:
		if config := hevcConfig(f.Data); f.Key && config != nil && !bytes.Equal(config, t.config) {
			t.config = config
			bodies = append(bodies, append(append([]byte{0x80 | frameType(f) | sequenceStart}, t.fourCC...), config...))
		}
		return append(bodies, append(append([]byte{0x80 | frameType(f) | codedFramesX}, t.fourCC...), f.Data...))
	case t.codec == container.Opus:
		return [][]byte{append(append([]byte{9<<4 | codedFrames}, t.fourCC...), f.Data...)}
	case t.codec != container.H264:
		return [][]byte{append(append([]byte{0x80 | frameType(f) | codedFrames}, t.fourCC...), f.Data...)}
	}
	const avc, header, units = 7, 0, 1
	if config := avcConfig(f.Data); f.Key && config != nil && !bytes.Equal(config, t.config) {
		t.config = config
		bodies = append(bodies, append([]byte{frameType(f) | avc, header, 0, 0, 0}, config...))
	}
	return append(bodies, append([]byte{frameType(f) | avc, units, 0, 0, 0}, f.Data...))
}

func frameType(f frames.Frame) byte {
	if f.Key {
		return 1 << 4
	}
	return 2 << 4
}

// avcConfig is the configuration (ISO/IEC 14496-15 §5.3.3) of the parameter sets among
// units that have their lengths before them; nil if there are none.
func avcConfig(data []byte) []byte {
	var sps, pps []byte
	for len(data) > 4 {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-4 {
			break
		}
		unit := data[4 : 4+n]
		data = data[4+n:]
		switch {
		case n < 4 || n > 0xFFFF:
		case unit[0]&31 == 7 && sps == nil:
			sps = unit
		case unit[0]&31 == 8 && pps == nil:
			pps = unit
		}
	}
	if sps == nil || pps == nil {
		return nil
	}
	b := []byte{1, sps[1], sps[2], sps[3], 0xFF, 0xE0 | 1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(sps))), sps...)
	b = append(b, 1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(pps))), pps...)
}
