package source

import (
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// Types of units of H265 (ITU-T H.265 §7.4.2.2).
const (
	hevcVPS = 32
	hevcSPS = 33
	hevcPPS = 34
)

// hevcConfig is the configuration (ISO/IEC 14496-15 §8.3.3) of the parameter sets among
// units that have their lengths before them; nil if there are none.
func hevcConfig(data []byte) []byte {
	var sets [3][]byte // by type, from hevcVPS on
	for len(data) > 4 {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-4 {
			break
		}
		unit := data[4 : 4+n]
		data = data[4+n:]
		if n < 4 || n > 0xFFFF {
			continue
		}
		if kind := int(unit[0]>>1&63) - hevcVPS; kind >= 0 && kind < len(sets) && sets[kind] == nil {
			sets[kind] = unit
		}
	}
	var sps h265.SPS
	plain := h264.EmulationPreventionRemove(sets[hevcSPS-hevcVPS]) // the same in both
	if sets[0] == nil || sets[2] == nil || len(plain) < 15 || sps.Unmarshal(sets[hevcSPS-hevcVPS]) != nil {
		return nil
	}
	b := append([]byte{1}, plain[3:15]...) // what general_ is said of profile, tier and level
	b = append(b, 0xF0, 0,                 // no segmentation is known
		0xFC, 0xFC|byte(sps.ChromaFormatIdc)&3, 0xF8|byte(sps.BitDepthLumaMinus8)&7, 0xF8|byte(sps.BitDepthChromaMinus8)&7,
		0, 0, // nor a frame rate
		1<<3|3, // one temporal layer; lengths of units have four bytes
		byte(len(sets)))
	for i, unit := range sets {
		b = append(b, 0x80|byte(hevcVPS+i), 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(unit))), unit...)
	}
	return b
}

// sizeHEVC reads the parameter set among units, each behind its length.
func sizeHEVC(b []byte) (width, height int) {
	for len(b) > 4 {
		n := int(binary.BigEndian.Uint32(b))
		if n > len(b)-4 {
			break
		}
		var sps h265.SPS
		if unit := b[4 : 4+n]; n > 3 && unit[0]>>1&63 == hevcSPS && sps.Unmarshal(unit) == nil {
			return sps.Width(), sps.Height()
		}
		b = b[4+n:]
	}
	return 0, 0
}
