package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// errSoundChanged is shown to people.
var errSoundChanged = errors.New("the source has changed how its sound is encoded: please connect anew")

// configured takes a tag of configuration of what goes into Matroska, which has one for
// each track, at its beginning. Parameter sets that come later go before the next key
// frame, where decoders take them from as well.
func (t *Transcoder) configured(tag flv.Tag) error {
	if !tag.Codec.Video() {
		if tag.Codec == flv.AAC && !bytes.Equal(tag.Data, t.soundHas) {
			return errSoundChanged
		}
		return nil
	}
	if !bytes.Equal(tag.Data, t.picturesHave) {
		t.picturesHave, t.params = bytes.Clone(tag.Data), inBand(tag)
	}
	return nil
}

// withParams is a frame with what configures its decoder anew before it, if there is
// such.
func (t *Transcoder) withParams(tag flv.Tag) []byte {
	if !tag.Key || len(t.params) == 0 {
		return tag.Data
	}
	at := 0
	if delimiter := []byte{0x12, 0}; tag.Codec == flv.AV1 && bytes.HasPrefix(tag.Data, delimiter) { // AV1 §5.6
		at = len(delimiter)
	}
	data := concat(tag.Data[:at], t.params, tag.Data[at:])
	t.params = nil
	return data
}

// inBand are the parameter sets of a configuration as frames have them; nil if there are
// none.
func inBand(tag flv.Tag) (b []byte) {
	c := tag.Data
	switch {
	case tag.Codec == flv.AV1 && len(c) > 4: // av1C: four bytes, then OBUs
		return bytes.Clone(c[4:])
	case tag.Codec == flv.H265:
		return inBandHEVC(c)
	case tag.Codec != flv.H264 || len(c) < 6:
		return nil
	}
	// avcC (ISO/IEC 14496-15 §5.3.3): sequence parameter sets, then those of pictures.
	n, c := int(c[5]&31), c[6:]
	for range 2 {
		var ok bool
		if b, c, ok = appendUnits(b, c, n); !ok {
			return nil
		}
		if len(c) == 0 {
			break
		}
		n, c = int(c[0]), c[1:]
	}
	return b
}

// inBandHEVC are those of hvcC (ISO/IEC 14496-15 §8.3.3): after 22 bytes of what they
// have in common, arrays of units of a kind.
func inBandHEVC(c []byte) (b []byte) {
	if len(c) < 23 {
		return nil
	}
	arrays, c := int(c[22]), c[23:]
	for range arrays {
		if len(c) < 3 {
			return nil
		}
		var ok bool
		if b, c, ok = appendUnits(b, c[3:], int(binary.BigEndian.Uint16(c[1:]))); !ok {
			return nil
		}
	}
	return b
}

// appendUnits appends n units, whose lengths are in two bytes before them in c and in
// four in b, and returns what is left of c. It is not ok if c ends before they do.
func appendUnits(b, c []byte, n int) (_, rest []byte, ok bool) {
	for range n {
		if len(c) < 2 || len(c)-2 < int(binary.BigEndian.Uint16(c)) {
			return nil, nil, false
		}
		size := int(binary.BigEndian.Uint16(c))
		b = append(binary.BigEndian.AppendUint32(b, uint32(size)), c[2:2+size]...)
		c = c[2+size:]
	}
	return b, c, true
}
