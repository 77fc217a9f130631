package frames

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Packets of H264 that hold more, or less, than one unit (RFC 6184 §5.2).
const (
	unitType     = 31 // the bits of a unit's first byte that say what it is
	aggregate    = 24 // STAP-A
	fragment     = 28 // FU-A
	beginsUnit   = 0x80
	endsUnit     = 0x40
	unitLength   = 4 // bytes of the length before each unit
	pictureUnits = 5 // 1 to 5 are of pictures, and this one needs no other
)

var errPacket = errors.New("malformed packet of H264")

// units makes units of the payloads of H264, each with its length before it, as containers
// keep them. It does so in memory of its own, which it uses again: pion's depacketizer
// copies each byte four times, into memory that is garbage after each picture.
type units struct {
	out  []byte // units, or what there is of one
	open bool   // there is one whose end is to come
}

// IsPartitionHead implements rtp.Depacketizer.
func (d *units) IsPartitionHead(payload []byte) bool {
	return len(payload) > 1 && (payload[0]&unitType != fragment || payload[1]&beginsUnit != 0)
}

// IsPartitionTail implements rtp.Depacketizer.
func (d *units) IsPartitionTail(marker bool, _ []byte) bool { return marker }

// Unmarshal implements rtp.Depacketizer: it returns the units that are complete, which are
// valid until the next call.
func (d *units) Unmarshal(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, errPacket
	}
	switch kind := payload[0] & unitType; kind {
	case aggregate:
		d.begin()
		for payload = payload[1:]; len(payload) >= 2; {
			n := int(binary.BigEndian.Uint16(payload))
			if payload = payload[2:]; n > len(payload) {
				return nil, errPacket
			}
			d.add(payload[:n])
			payload = payload[n:]
		}
		return d.out, nil
	case fragment:
		if len(payload) < 2 {
			return nil, errPacket
		}
		if !d.open || payload[1]&beginsUnit != 0 {
			d.begin()
			d.open = true
			d.out = append(d.out, 0, 0, 0, 0, payload[0]&^unitType|payload[1]&unitType)
		}
		d.out = append(d.out, payload[2:]...)
		if payload[1]&endsUnit == 0 {
			return nil, nil
		}
		d.open = false
		d.end(0)
		return d.out, nil
	default:
		if kind == 0 || kind > aggregate {
			return nil, errPacket
		}
		d.begin()
		d.add(payload)
		return d.out, nil
	}
}

func (d *units) begin() { d.out, d.open = d.out[:0], false }

// add appends a unit that is whole.
func (d *units) add(unit []byte) {
	at := len(d.out)
	d.out = append(append(d.out, 0, 0, 0, 0), unit...)
	d.end(at)
}

// end sets the length of the last unit, which begins there. Some encoders put several into
// one, as in a stream of bytes: no unit that is one has such a mark in it.
func (d *units) end(at int) {
	unit := d.out[at+unitLength:]
	binary.BigEndian.PutUint32(d.out[at:], uint32(len(unit)))
	if !bytes.Contains(unit, []byte{0, 0, 1}) {
		return
	}
	var several h264.AnnexB
	if several.Unmarshal(append([]byte{0, 0, 0, 1}, unit...)) != nil {
		return
	}
	d.out = d.out[:at]
	for _, one := range several {
		d.out = append(binary.BigEndian.AppendUint32(d.out, uint32(len(one))), one...)
	}
}

// unitKinds says whether there is a unit of a picture in what units has made, and whether
// one needs no other.
func unitKinds(data []byte) (picture, key bool) {
	for len(data) > unitLength {
		n := int(binary.BigEndian.Uint32(data))
		unit := data[unitLength:min(unitLength+n, len(data))]
		if data = data[unitLength+len(unit):]; n == 0 {
			continue
		}
		if kind := unit[0] & unitType; kind >= 1 && kind <= pictureUnits {
			picture, key = true, key || kind == pictureUnits
		}
	}
	return picture, key
}
