package source

import (
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// sizeOf is how large the pictures are that begin with a frame, in pixels; 0 if it does
// not say.
func sizeOf(t flv.Tag) (width, height int) {
	switch b := t.Data; t.Codec {
	case flv.H264:
		return sizeAVC(b)
	case flv.H265:
		return sizeHEVC(b)
	case flv.VP8: // RFC 6386 §9.1
		if len(b) >= 10 && b[0]&1 == 0 && b[3] == 0x9d && b[4] == 1 && b[5] == 0x2a {
			return int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff)
		}
	case flv.VP9:
		var h vp9.Header
		if h.Unmarshal(b) == nil && !h.NonKeyFrame {
			return h.Width(), h.Height()
		}
	case flv.AV1:
		return sizeAV1(b)
	}
	return 0, 0
}

// sizeAVC reads the parameter set among units, each behind its length.
func sizeAVC(b []byte) (width, height int) {
	for len(b) > 4 {
		n := int(binary.BigEndian.Uint32(b))
		if n > len(b)-4 {
			break
		}
		var sps h264.SPS
		if unit := b[4 : 4+n]; n > 3 && unit[0]&31 == 7 && sps.Unmarshal(unit) == nil {
			return sps.Width(), sps.Height()
		}
		b = b[4+n:]
	}
	return 0, 0
}

// sizeAV1 reads the sequence header among OBUs (AV1 §5.5).
func sizeAV1(b []byte) (width, height int) {
	var obus av1.Bitstream
	if obus.Unmarshal(b) != nil {
		return 0, 0
	}
	for _, o := range obus {
		var h av1.SequenceHeader
		if len(o) > 0 && av1.OBUType(o[0]>>3&15) == av1.OBUTypeSequenceHeader && h.Unmarshal(o) == nil {
			return h.Width(), h.Height()
		}
	}
	return 0, 0
}
