package whip

import (
	"encoding/binary"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// size is that of pictures, in pixels; 0 if not known.
type size struct{ width, height int }

// seen is how large pictures of a layer were, and at which key frame that was looked
// at.
type seen struct {
	keyframe uint64
	size
}

// headed is how many packets at the beginning of a key frame are looked at: parameter
// sets can have one each.
const headed = 3

// sizeOf reads how large pictures of a layer are, if its last key frame is still here.
func sizeOf(up *uptrack.UpTrack, l uptrack.LayerStats) (s size) {
	buf := make([]byte, 1600)
	var p uptrack.Packet
	for seq := l.KeyframeSeq; seq < l.KeyframeSeq+headed; seq++ {
		if !up.Retrieve(l.Layer, seq, buf, &p) {
			continue
		}
		if s = sizeIn(up.Codec().MimeType, p.Payload); s != (size{}) {
			return s
		}
	}
	return size{}
}

// sizeIn reads it from the payload of a packet, if it says so.
func sizeIn(mime string, b []byte) size {
	switch strings.ToLower(mime) {
	case "video/vp8":
		return sizeVP8(b)
	case "video/vp9":
		return sizeVP9(b)
	case "video/h264":
		return eachUnit(b, func(u []byte) (kind, header int) { return int(u[0] & 31), 1 }, 24, 7, func(unit []byte) size {
			var sps h264.SPS
			if sps.Unmarshal(unit) != nil {
				return size{}
			}
			return size{sps.Width(), sps.Height()}
		})
	case "video/h265":
		return eachUnit(b, func(u []byte) (kind, header int) { return int(u[0] >> 1 & 63), 2 }, 48, 33, func(unit []byte) size {
			var sps h265.SPS
			if sps.Unmarshal(unit) != nil {
				return size{}
			}
			return size{sps.Width(), sps.Height()}
		})
	case "video/av1":
		return sizeAV1(b)
	}
	return size{}
}

// sizeVP8 reads a key frame's header (RFC 6386 §9.1), behind the descriptor of its
// packet (RFC 7741 §4.2).
func sizeVP8(b []byte) size {
	var p codecs.VP8Packet
	frame, err := p.Unmarshal(b)
	if err != nil || p.S == 0 || p.PID != 0 || len(frame) < 10 || frame[0]&1 != 0 || frame[3] != 0x9d || frame[4] != 1 || frame[5] != 0x2a {
		return size{}
	}
	return size{int(binary.LittleEndian.Uint16(frame[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(frame[8:]) & 0x3fff)}
}

// sizeVP9 reads the scalability structure (RFC 9628 §4.2.1), whose last layer is the
// largest.
func sizeVP9(b []byte) size {
	var p codecs.VP9Packet
	if _, err := p.Unmarshal(b); err != nil || !p.V || len(p.Width) == 0 || len(p.Width) != len(p.Height) {
		return size{}
	}
	return size{int(p.Width[len(p.Width)-1]), int(p.Height[len(p.Height)-1])}
}

// sizeAV1 reads a sequence header (AV1 §5.5).
func sizeAV1(b []byte) size {
	var d codecs.AV1Depacketizer
	stream, err := d.Unmarshal(b)
	if err != nil {
		return size{}
	}
	var obus av1.Bitstream
	if obus.Unmarshal(stream) != nil {
		return size{}
	}
	for _, o := range obus {
		var h av1.SequenceHeader
		if len(o) > 0 && av1.OBUType(o[0]>>3&15) == av1.OBUTypeSequenceHeader && h.Unmarshal(o) == nil {
			return size{h.Width(), h.Height()}
		}
	}
	return size{}
}

// eachUnit finds a unit of that kind in a packet of H.264 or H.265: alone, or among
// others in one that aggregates (RFC 6184 §5.7.1, RFC 7798 §4.4.2).
func eachUnit(b []byte, kindOf func([]byte) (kind, header int), aggregate, wanted int, read func([]byte) size) size {
	if len(b) < 2 {
		return size{}
	}
	kind, header := kindOf(b)
	if kind == wanted {
		return read(b)
	}
	if kind != aggregate {
		return size{}
	}
	for b = b[header:]; len(b) > 2; {
		n := int(binary.BigEndian.Uint16(b))
		if n < 2 || n > len(b)-2 {
			return size{}
		}
		if unit := b[2 : 2+n]; first(kindOf(unit)) == wanted {
			return read(unit)
		}
		b = b[2+n:]
	}
	return size{}
}

func first(kind, _ int) int { return kind }
