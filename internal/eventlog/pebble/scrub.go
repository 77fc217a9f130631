package pebble

import (
	"context"
	"fmt"
)

// Scrub rewrites the files that hold the records from first to last, so that none
// holds what was overwritten: the log that is written ahead is emptied into a
// table, and the tables are merged down to the one that counts. It reads and
// writes as much as those records take.
func (s *Store) Scrub(ctx context.Context, first, last uint64) error {
	err := s.await(func() error {
		if err := s.db.Flush(); err != nil {
			return err
		}
		return s.db.Compact(ctx, appendEventKey(nil, first), appendEventKey(nil, last+1), false)
	})
	if err != nil {
		return fmt.Errorf("scrub event store in %s: %w", s.dir, err)
	}
	return nil
}
