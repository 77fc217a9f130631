package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
)

// The stored form of a record:
//
//	version      1 byte, recordV1
//	flags        1 byte
//	seq, roomSeq uvarint
//	id           16 bytes
//	time         varint, µs since 1970
//	committed    varint, µs since 1970
//	name, room, roomSID, participantSID, identity, trackSID, actor, reason
//	             each uvarint length and bytes
//	tags         uvarint count and as many pairs, sorted, if the flags announce it
//	body         uvarint length and bytes
//	full body    likewise, if the flags announce it
//	checksum     4 bytes little endian, CRC-32C of all before it
const (
	recordV1        = 1
	flagSynthesized = 1 << 0
	flagFullBody    = 1 << 1
	flagTags        = 1 << 2
	checksumSize    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends the stored form of r to b. It fails only on an id that
// is not a UUID.
func AppendRecord(b []byte, r *event.Record) ([]byte, error) {
	id, err := uuid.Parse(r.ID)
	if err != nil {
		return b, fmt.Errorf("encode record %d: %w", r.Seq, err)
	}
	start := len(b)
	var flags byte
	if r.Synthesized {
		flags |= flagSynthesized
	}
	if len(r.FullBody) > 0 {
		flags |= flagFullBody
	}
	if len(r.Tags) > 0 {
		flags |= flagTags
	}
	b = append(b, recordV1, flags)
	b = binary.AppendUvarint(b, r.Seq)
	b = binary.AppendUvarint(b, r.RoomSeq)
	b = append(b, id[:]...)
	b = binary.AppendVarint(b, r.Time.UnixMicro())
	b = binary.AppendVarint(b, r.Committed.UnixMicro())
	for _, s := range [...]string{string(r.Name), r.Room, r.RoomSID, r.ParticipantSID, r.Identity, r.TrackSID, string(r.Actor), r.Reason} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if len(r.Tags) > 0 {
		b = binary.AppendUvarint(b, uint64(len(r.Tags)))
		for _, name := range slices.Sorted(maps.Keys(r.Tags)) {
			for _, s := range [...]string{name, r.Tags[name]} {
				b = binary.AppendUvarint(b, uint64(len(s)))
				b = append(b, s...)
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.Body)))
	b = append(b, r.Body...)
	if len(r.FullBody) > 0 {
		b = binary.AppendUvarint(b, uint64(len(r.FullBody)))
		b = append(b, r.FullBody...)
	}
	return appendChecksum(b, start), nil
}

func appendChecksum(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// DecodeRecord returns the record stored as b at place seq; it keeps nothing of
// b. Every error is a CorruptError.
func DecodeRecord(b []byte, seq uint64) (event.Record, error) {
	r, err := decodeRecord(b, seq)
	if err != nil {
		return event.Record{}, &CorruptError{Seq: seq, Reason: err.Error()}
	}
	return r, nil
}

func decodeRecord(b []byte, seq uint64) (event.Record, error) {
	if len(b) < checksumSize+2 {
		return event.Record{}, errors.New("too short")
	}
	b, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return event.Record{}, errors.New("checksum does not match")
	}
	if b[0] != recordV1 {
		return event.Record{}, fmt.Errorf("unknown version %d", b[0])
	}
	d := decoder{rest: b[2:]}
	flags := b[1]
	r := event.Record{Synthesized: flags&flagSynthesized != 0}
	r.Seq = d.uvarint()
	r.RoomSeq = d.uvarint()
	var id uuid.UUID
	copy(id[:], d.take(uint64(len(id))))
	r.ID = id.String()
	r.Time = time.UnixMicro(d.varint()).UTC()
	r.Committed = time.UnixMicro(d.varint()).UTC()
	r.Name = event.Name(d.string())
	r.Room = d.string()
	r.RoomSID = d.string()
	r.ParticipantSID = d.string()
	r.Identity = d.string()
	r.TrackSID = d.string()
	r.Actor = event.Actor(d.string())
	r.Reason = d.string()
	if flags&flagTags != 0 {
		r.Tags = make(map[string]string)
		for n := d.uvarint(); n > 0 && !d.failed; n-- {
			name := d.string()
			r.Tags[name] = d.string()
		}
	}
	r.Body = append([]byte(nil), d.take(d.uvarint())...)
	if flags&flagFullBody != 0 {
		r.FullBody = append([]byte(nil), d.take(d.uvarint())...)
	}
	switch {
	case d.failed:
		return event.Record{}, errors.New("truncated")
	case len(d.rest) != 0:
		return event.Record{}, errors.New("trailing bytes")
	case r.Seq != seq:
		return event.Record{}, fmt.Errorf("holds record %d", r.Seq)
	}
	return r, nil
}

// decoder reads fields off rest; after the first that does not fit, failed is
// set and all further ones are empty.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) fail() {
	d.failed = true
	d.rest = nil
}
