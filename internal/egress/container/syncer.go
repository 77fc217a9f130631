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
// for one goroutine.
type Syncer struct {
	begun time.Time
	asked time.Time  // when Sync was called last
	donec chan error // how it went; nil while none is under way
}

// Sync has sync called beside, unless that has just been done or is being done. What it
// returns is the error of one before. That a file is closed is none, as Close syncs.
func (s *Syncer) Sync(now time.Time, sync func() error) error {
	step := now.Sub(s.asked)
	s.asked = now
	if s.donec != nil {
		select {
		case err := <-s.donec:
			if s.donec = nil; err != nil {
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
	done := make(chan error, 1)
	s.begun, s.donec = now, done
	go func() {
		err := sync()
		if errors.Is(err, os.ErrClosed) {
			err = nil
		}
		done <- err
	}()
	return nil
}

// Wait waits for the one that is under way, if one is.
func (s *Syncer) Wait() error {
	if s.donec == nil {
		return nil
	}
	err := <-s.donec
	s.donec = nil
	return err
}
