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
