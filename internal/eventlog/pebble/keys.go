package pebble

import (
	"encoding/binary"
	"errors"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// The keys, by their first byte. Names are written as uvarint length and bytes,
// so that no name is a prefix of another; sequence numbers as 8 bytes big endian,
// so that they sort and a range of them can be deleted.
//
//	c cursor key                   -> value
//	e seq                          -> record, see eventlog.AppendRecord
//	m format                       -> uvarint
//	o roomSID participantSID trackSID -> uvarint opened, uvarint seq, room
//	r room seq                     -> uvarint roomSeq, roomSID
const (
	prefixCursor = 'c'
	prefixEvent  = 'e'
	prefixMeta   = 'm'
	prefixOpen   = 'o'
	prefixRoom   = 'r'
)

var errMalformed = errors.New("malformed key or value")

func appendName(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func cutName(b []byte) (s string, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, errMalformed
	}
	b = b[size:]
	return string(b[:n]), b[n:], nil
}

func appendEventKey(b []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixEvent), seq)
}

func appendRoomKey(b []byte, room string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendName(append(b, prefixRoom), room), seq)
}

// indexedSeq returns the seq at the end of a key of a room's index.
func indexedSeq(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func appendOpenKey(b []byte, t eventlog.Thing) []byte {
	b = appendName(append(b, prefixOpen), t.RoomSID)
	b = appendName(b, t.ParticipantSID)
	return appendName(b, t.TrackSID)
}

func decodeOpen(key, value []byte) (eventlog.Entry, error) {
	var e eventlog.Entry
	var err error
	key = key[1:]
	for _, s := range []*string{&e.RoomSID, &e.ParticipantSID, &e.TrackSID} {
		if *s, key, err = cutName(key); err != nil {
			return e, err
		}
	}
	for _, n := range []*uint64{&e.Opened, &e.Seq} {
		v, size := binary.Uvarint(value)
		if size <= 0 || len(key) != 0 {
			return e, errMalformed
		}
		*n, value = v, value[size:]
	}
	e.Room = string(value)
	return e, nil
}

// after returns the first key that does not begin with prefix; nil if none.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
