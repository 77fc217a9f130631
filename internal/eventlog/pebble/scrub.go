package pebble

import (
	"context"
	"errors"
	"fmt"
)

// Scrub rewrites the files that hold the records from first to last, so that none
// holds what was overwritten: the log that is written ahead is emptied into a
// table, and the tables are merged down to the one that counts. It reads and
// writes as much as those records take. If ctx ends before it is done, the store goes
// on, and files may hold what was overwritten until the next call.
func (s *Store) Scrub(ctx context.Context, first, last uint64) error {
	var stopped error
	err := s.await(func() error {
		if err := s.db.Flush(); err != nil {
			return err
		}
		err := s.db.Compact(ctx, appendEventKey(nil, first), appendEventKey(nil, last+1), false)
		if err != nil && errors.Is(err, ctx.Err()) {
			stopped = err // who asked went away: not the end of the store
			return nil
		}
		return err
	})
	if err == nil {
		err = stopped
	}
	if err != nil {
		return fmt.Errorf("scrub event store in %s: %w", s.dir, err)
	}
	return nil
}
