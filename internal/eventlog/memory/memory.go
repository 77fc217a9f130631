package memory

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

var _ eventlog.Store = (*Store)(nil)

// Store keeps the log in memory.
type Store struct {
	mu      sync.RWMutex
	records []event.Record                    // by Seq
	rooms   map[string][]uint64               // Seqs by the room's name
	open    map[eventlog.Thing]eventlog.Entry // by what it names
	cursors map[string][]byte
}

// New returns an empty store.
func New() *Store {
	return &Store{
		rooms:   make(map[string][]uint64),
		open:    make(map[eventlog.Thing]eventlog.Entry),
		cursors: make(map[string][]byte),
	}
}

// Clone returns a store with what s holds now: what a server would find if this
// one died at this moment.
func (s *Store) Clone() *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := New()
	c.records = slices.Clone(s.records)
	for name, seqs := range s.rooms {
		c.rooms[name] = slices.Clone(seqs)
	}
	maps.Copy(c.open, s.open)
	maps.Copy(c.cursors, s.cursors)
	return c
}

// Apply adds the batch.
func (s *Store) Apply(b *eventlog.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Records {
		s.records = append(s.records, r)
		if r.Room != "" {
			s.rooms[r.Room] = append(s.rooms[r.Room], r.Seq)
		}
	}
	for _, r := range b.Rewrites {
		if i, ok := s.find(r.Seq); ok {
			s.records[i] = r
		}
	}
	for _, e := range b.Index {
		if e.Seq == 0 {
			delete(s.open, e.Thing)
		} else {
			s.open[e.Thing] = e
		}
	}
	for k, v := range b.Cursors {
		if v == nil {
			delete(s.cursors, k)
		} else {
			s.cursors[k] = v
		}
	}
	return nil
}

// Read returns records of the log or of one room.
func (s *Store) Read(room string, after uint64, limit int) ([]event.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if room == "" {
		from, found := s.find(after)
		if found {
			from++
		}
		to := min(from+limit, len(s.records))
		return slices.Clone(s.records[from:to]), nil
	}
	seqs := s.rooms[room]
	from := sort.Search(len(seqs), func(i int) bool { return seqs[i] > after })
	to := min(from+limit, len(seqs))
	records := make([]event.Record, 0, to-from)
	for _, seq := range seqs[from:to] {
		if i, ok := s.find(seq); ok {
			records = append(records, s.records[i])
		}
	}
	return records, nil
}

// find returns where the record seq is or would be, and whether it is there.
func (s *Store) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(s.records, seq, func(r event.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
}

// Last returns the last record.
func (s *Store) Last() (event.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.records) == 0 {
		return event.Record{}, nil
	}
	return s.records[len(s.records)-1], nil
}

// RoomSeq returns the last place in a room session.
func (s *Store) RoomSeq(room, sid string) (roomSeq, seq uint64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, seq := range slices.Backward(s.rooms[room]) {
		if i, ok := s.find(seq); ok && s.records[i].RoomSID == sid {
			return s.records[i].RoomSeq, seq, nil
		}
	}
	return 0, 0, nil
}

// Open returns the open things of one session or of all.
func (s *Store) Open(roomSID string) ([]eventlog.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var open []eventlog.Entry
	for _, e := range s.open {
		if roomSID == "" || e.RoomSID == roomSID {
			open = append(open, e)
		}
	}
	return open, nil
}

// Values returns the values under prefix.
func (s *Store) Values(prefix, after string, limit int) ([]eventlog.Value, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var values []eventlog.Value
	for k, v := range s.cursors {
		if strings.HasPrefix(k, prefix) && (after == "" || k > after) {
			values = append(values, eventlog.Value{Key: k, Value: v})
		}
	}
	slices.SortFunc(values, func(a, b eventlog.Value) int { return strings.Compare(a.Key, b.Key) })
	if limit > 0 && len(values) > limit {
		values = values[:limit]
	}
	return values, nil
}

// Trim takes out the records below first that are not in keep.
func (s *Store) Trim(first uint64, keep []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := func(seq uint64) bool {
		_, kept := slices.BinarySearch(keep, seq)
		return seq < first && !kept
	}
	s.records = slices.DeleteFunc(slices.Clone(s.records), func(r event.Record) bool { return gone(r.Seq) })
	for name, seqs := range s.rooms {
		if seqs = slices.DeleteFunc(seqs, gone); len(seqs) == 0 {
			delete(s.rooms, name)
		} else {
			s.rooms[name] = seqs
		}
	}
	return nil
}

// Close does nothing; Clone still works.
func (s *Store) Close() error { return nil }
