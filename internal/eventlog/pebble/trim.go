package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// trimStep is how many records one step of Trim takes out.
const trimStep = 1024

// Trim takes out the records below first, step by step from the lowest on. The
// ranges of records cost one tombstone each, the lines of the rooms' indexes,
// which lie apart, one each. Nothing is synced: what a crash brings back is taken
// out by the next Trim.
func (s *Store) Trim(first uint64, keep []uint64) error {
	for from := uint64(0); from < first; {
		var to uint64
		err := s.await(func() (err error) {
			to, keep, err = s.trimStep(from, first, keep)
			return err
		})
		if err != nil {
			return fmt.Errorf("trim event store in %s: %w", s.dir, err)
		}
		from = to
	}
	return nil
}

// trimStep takes out at most trimStep records between from and first and returns
// where to go on, with what is left of keep.
func (s *Store) trimStep(from, first uint64, keep []uint64) (uint64, []uint64, error) {
	iter, err := s.iterate(appendEventKey(nil, from), appendEventKey(nil, first))
	if err != nil {
		return 0, nil, err
	}
	defer iter.Close()
	batch := s.db.NewBatch()
	defer batch.Close()
	kept := keep
	var key []byte
	next, n := first, 0
	for ok := iter.First(); ok; ok = iter.Next() {
		seq := indexedSeq(iter.Key())
		if n == trimStep {
			next = seq
			break
		}
		for len(kept) > 0 && kept[0] < seq {
			kept = kept[1:]
		}
		if len(kept) > 0 && kept[0] == seq {
			continue
		}
		n++
		// The index line of a damaged record stays: nothing reads below first.
		if r, err := decodeEvent(iter); err == nil && r.Room != "" {
			key = appendRoomKey(key[:0], r.Room, seq)
			if err := batch.Delete(key, nil); err != nil {
				return 0, nil, err
			}
		}
	}
	damaged := pebble.IsCorruptionError(iter.Error())
	if err := iter.Error(); err != nil && !damaged {
		return 0, nil, err
	}
	if n == 0 && !damaged {
		return next, keep, nil
	}
	for ; from < next; from++ {
		to := next
		if len(keep) > 0 && keep[0] < next {
			to, keep = keep[0], keep[1:]
		}
		if from < to {
			if err := batch.DeleteRange(appendEventKey(nil, from), appendEventKey(nil, to), nil); err != nil {
				return 0, nil, err
			}
		}
		from = max(from, to)
	}
	return next, keep, s.db.Apply(batch, pebble.NoSync)
}
