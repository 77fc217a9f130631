package container

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Who writes does not wait for the disk, which is asked one thing at a time.
func TestSyncerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Syncer
		began, release := 0, make(chan error)
		slow := func() error { began++; return <-release }
		sync := func() error {
			t.Helper()
			err := s.Sync(time.Now(), slow)
			synctest.Wait()
			return err
		}
		for range 3 {
			if err := sync(); err != nil || began != 1 {
				t.Fatalf("%d began: %v", began, err)
			}
			time.Sleep(time.Second)
		}
		release <- nil
		synctest.Wait()
		if err := sync(); err != nil || began != 2 {
			t.Errorf("%d began when the first was done: %v", began, err)
		}
		release <- os.ErrClosed
		synctest.Wait()
		if err := sync(); err != nil || began != 2 {
			t.Errorf("%d began at once after another: %v", began, err)
		}
		time.Sleep(syncEvery)
		if err := sync(); err != nil || began != 3 {
			t.Errorf("%d began after a while: %v", began, err)
		}
		broken := errors.New("the disk is full")
		release <- broken
		synctest.Wait()
		if err := sync(); err != broken {
			t.Errorf("the error is %v", err)
		}
		time.Sleep(syncEvery)
		if err := sync(); err != nil {
			t.Error(err)
		}
		go func() { release <- broken }()
		if err := s.Wait(); err != broken {
			t.Errorf("the error at the end is %v", err)
		}
		if err := s.Wait(); err != nil {
			t.Errorf("nothing is under way: %v", err)
		}
	})
}

// Who asks by a clock that is a moment early or late has the disk have it as often as is
// said, and not each second time by one step later.
func TestSyncerTakesTheNearestCall(t *testing.T) {
	for _, step := range []time.Duration{120 * time.Millisecond, 200 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var s Syncer
			var last, longest, shortest time.Duration
			start, begun, began := time.Now(), make(chan time.Time, 1), 0
			for n := range time.Duration(500) {
				at := n*step + n*7%5*time.Millisecond // up to 4 ms late
				time.Sleep(at - time.Since(start))
				if err := s.Sync(time.Now(), func() error { begun <- time.Now(); return nil }); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case now := <-begun:
					if passed := now.Sub(start) - last; began > 0 {
						longest = max(longest, passed)
						if shortest == 0 || passed < shortest {
							shortest = passed
						}
					}
					last = now.Sub(start)
					began++
				default:
				}
			}
			if err := s.Wait(); err != nil {
				t.Error(err)
			}
			if longest > syncEvery+10*time.Millisecond || shortest < syncEvery-step/2-10*time.Millisecond {
				t.Errorf("asked every %v it begins %d times, %v to %v after another", step, began, shortest, longest)
			}
		})
	}
}
