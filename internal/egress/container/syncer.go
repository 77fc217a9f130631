package container

import (
	"errors"
	"os"
	"time"
)

// syncEvery is how often what was put goes to the disk: what the end of the machine
// may cost.
const syncEvery = 400 * time.Millisecond

// Syncer has the disk have what was put into a file, beside the one that writes it: a
// disk that is busy takes its time, and what comes meanwhile is put all the same. It is
// for one goroutine, and starts another, which Wait ends.
type Syncer struct {
	begun time.Time
	asked time.Time // when Sync was called last
	busy  bool      // the answer to the last of syncc is still to come
	syncc chan func() error
	donec chan error // how each went, closed after the last; both are nil before the first
}

// Sync has sync called beside, unless that has just been done or is being done. What it
// returns is the error of one before. That a file is closed is none, as Close syncs.
func (s *Syncer) Sync(now time.Time, sync func() error) error {
	step := now.Sub(s.asked)
	s.asked = now
	if s.busy {
		select {
		case err := <-s.donec:
			if s.busy = false; err != nil {
				return err
			}
		default:
			return nil
		}
	}
	// Of the calls the nearest: one that is a moment early would leave it to the next.
	if now.Sub(s.begun) < syncEvery-step/2 {
		return nil
	}
	if s.syncc == nil {
		s.syncc, s.donec = make(chan func() error, 1), make(chan error, 1)
		go syncAll(s.syncc, s.donec)
	}
	s.begun, s.busy = now, true
	s.syncc <- sync
	return nil
}

// syncAll is the goroutine: one for all calls, as to begin one each time costs more.
func syncAll(syncc <-chan func() error, donec chan<- error) {
	defer close(donec)
	for sync := range syncc {
		err := sync()
		if errors.Is(err, os.ErrClosed) {
			err = nil
		}
		donec <- err
	}
}

// Wait waits for the one that is under way, if one is. Sync can be called again.
func (s *Syncer) Wait() (err error) {
	if s.syncc == nil {
		return nil
	}
	close(s.syncc)
	for e := range s.donec {
		err = e
	}
	s.syncc, s.donec, s.busy = nil, nil, false
	return err
}
