package pebble

import (
	"context"
	"errors"
	"fmt"
)

var errClosed = errors.New("the store was closed meanwhile")

// Scrub rewrites the files that hold the records from first to last, so that none
// holds what was overwritten: the log that is written ahead is emptied into a
// table, and the tables are merged down to the one that counts. It reads and
// writes as much as those records take. If ctx ends before it is done, Scrub returns
// and the rewriting goes on until it is done or the store is closed; one at a time is
// at work, and the next waits for it.
func (s *Store) Scrub(ctx context.Context, first, last uint64) error {
	if err := s.scrubUntil(ctx, first, last); err != nil {
		return fmt.Errorf("scrub event store in %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) scrubUntil(ctx context.Context, first, last uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.scrubbing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	s.scrubs.Go(func() {
		defer func() { <-s.scrubbing }()
		err := s.await(func() error { return s.scrub(first, last) })
		if err == nil && s.life.Err() != nil {
			err = errClosed
		}
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// scrub does the rewriting, unless the store is closed first. Nothing else stops it: when
// Pebble begins a compaction that it has chosen and whose caller has given up
// meanwhile, it panics on a goroutine of its own. A closed database begins none.
func (s *Store) scrub(first, last uint64) error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		err = s.db.Compact(s.life, appendEventKey(nil, first), appendEventKey(nil, last+1), false)
	case <-s.life.Done():
	}
	if s.life.Err() != nil {
		return nil // no failure of the store
	}
	return err
}
