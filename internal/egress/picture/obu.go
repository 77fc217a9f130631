package picture

import (
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// OBU is a unit of AV1 (AV1 specification, section 5.3).
type OBU struct {
	Type av1.OBUType
	Raw  []byte // as it is in the picture
	Body []byte // without header and size
}

var errOBU = errors.New("not a sequence of OBUs with sizes")

// OBUs takes a picture apart in its low-overhead form, in which each unit has its size
// (section 5.2). Units may be of layers, which the library for all else does not take.
func OBUs(b []byte) (units []OBU, err error) {
	for len(b) > 0 {
		at := 1
		if b[0]&0x04 != 0 { // extension: temporal and spatial id
			at++
		}
		if b[0]&0x80 != 0 || b[0]&0x02 == 0 || at > len(b) {
			return nil, errOBU
		}
		var size av1.LEB128
		n, err := size.Unmarshal(b[at:])
		if err != nil || uint64(size) > uint64(len(b)-at-n) {
			return nil, errOBU
		}
		end := at + n + int(size)
		units = append(units, OBU{av1.OBUType(b[0] >> 3 & 15), b[:end:end], b[at+n : end : end]})
		b = b[end:]
	}
	return units, nil
}

// SequenceHeader returns the sequence header that is in a picture, with a header of its own
// but without a size; nil if there is none.
func SequenceHeader(b []byte) []byte {
	units, err := OBUs(b)
	if err != nil {
		return nil
	}
	for _, u := range units {
		if u.Type == av1.OBUTypeSequenceHeader {
			return append([]byte{byte(u.Type) << 3}, u.Body...)
		}
	}
	return nil
}
