package pebble

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Read returns records of the log or of one room.
func (s *Store) Read(room string, after uint64, limit int) ([]event.Record, error) {
	if after == math.MaxUint64 {
		return nil, nil
	}
	if room != "" {
		return s.readRoom(room, after, limit)
	}
	iter, err := s.events(after + 1)
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var records []event.Record
	next := after + 1
	for ok := iter.First(); ok && len(records) < limit; ok = iter.Next() {
		r, err := decodeEvent(iter)
		if err != nil {
			return records, err
		}
		records = append(records, r)
		next = r.Seq + 1
	}
	return records, readError(iter.Error(), next)
}

// readRoom follows the room's index.
func (s *Store) readRoom(room string, after uint64, limit int) ([]event.Record, error) {
	index, err := s.roomIndex(room, after+1)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	iter, err := s.events(after + 1)
	if err != nil {
		return nil, err
	}
	defer iter.Close()

	var records []event.Record
	var key []byte
	for ok := index.First(); ok && len(records) < limit; ok = index.Next() {
		seq := indexedSeq(index.Key())
		key = appendEventKey(key[:0], seq)
		if !iter.SeekGE(key) || string(iter.Key()) != string(key) {
			if err := readError(iter.Error(), seq); err != nil {
				return records, err
			}
			return records, &eventlog.CorruptError{Seq: seq, Reason: "missing"}
		}
		r, err := decodeEvent(iter)
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, index.Error()
}

// Last returns the last record.
func (s *Store) Last() (event.Record, error) {
	iter, err := s.events(0)
	if err != nil {
		return event.Record{}, err
	}
	defer iter.Close()
	if !iter.Last() {
		return event.Record{}, damage(iter.Error())
	}
	return decodeEvent(iter)
}

// RoomSeq returns the last place in a room session: from the end of the room's
// index, where an open session is.
func (s *Store) RoomSeq(room, sid string) (roomSeq, seq uint64, err error) {
	index, err := s.roomIndex(room, 0)
	if err != nil {
		return 0, 0, err
	}
	defer index.Close()
	for ok := index.Last(); ok; ok = index.Prev() {
		value := index.Value()
		roomSeq, n := binary.Uvarint(value)
		if n <= 0 {
			return 0, 0, fmt.Errorf("index of room %q: %w", room, errMalformed)
		}
		if string(value[n:]) == sid {
			return roomSeq, indexedSeq(index.Key()), nil
		}
	}
	return 0, 0, damage(index.Error())
}

// Open returns the open things of one session or of all.
func (s *Store) Open(roomSID string) ([]eventlog.Entry, error) {
	prefix := []byte{prefixOpen}
	if roomSID != "" {
		prefix = appendName(prefix, roomSID)
	}
	iter, err := s.iterate(prefix, after(prefix))
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var open []eventlog.Entry
	for ok := iter.First(); ok; ok = iter.Next() {
		e, err := decodeOpen(iter.Key(), iter.Value())
		if err != nil {
			return nil, fmt.Errorf("index of open things: %w", err)
		}
		open = append(open, e)
	}
	return open, damage(iter.Error())
}

// Values returns the values under prefix.
func (s *Store) Values(prefix, behind string, limit int) ([]eventlog.Value, error) {
	under := append([]byte{prefixCursor}, prefix...)
	from := under
	if behind >= prefix && behind != "" {
		from = append(append([]byte{prefixCursor}, behind...), 0)
	}
	iter, err := s.iterate(from, after(under))
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var values []eventlog.Value
	for ok := iter.First(); ok && (limit <= 0 || len(values) < limit); ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, damage(err)
		}
		values = append(values, eventlog.Value{Key: string(iter.Key()[1:]), Value: append([]byte{}, value...)})
	}
	return values, damage(iter.Error())
}

// events returns an iterator over the records from seq on.
func (s *Store) events(seq uint64) (*pebble.Iterator, error) {
	return s.iterate(appendEventKey(nil, seq), []byte{prefixEvent + 1})
}

// roomIndex returns an iterator over the room's index from seq on.
func (s *Store) roomIndex(room string, seq uint64) (*pebble.Iterator, error) {
	return s.iterate(appendRoomKey(nil, room, seq), after(appendName([]byte{prefixRoom}, room)))
}

func (s *Store) iterate(from, to []byte) (*pebble.Iterator, error) {
	return s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
}

func decodeEvent(iter *pebble.Iterator) (event.Record, error) {
	seq := binary.BigEndian.Uint64(iter.Key()[1:])
	value, err := iter.ValueAndErr()
	if err != nil {
		return event.Record{}, readError(err, seq)
	}
	return eventlog.DecodeRecord(value, seq)
}

// readError names the record at which a damaged block was met.
func readError(err error, seq uint64) error {
	if pebble.IsCorruptionError(err) {
		return &eventlog.CorruptError{Seq: seq, Reason: err.Error()}
	}
	return err
}
