package ffmpeg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hung is a program that says nothing until patience is over, and how often it was
// asked.
func hung(asked *atomic.Int64) *Finder {
	return &Finder{find: func(ctx context.Context) (*Program, error) {
		asked.Add(1)
		select {
		case <-time.After(findPatience):
			return nil, &SlowError{"ffmpeg"}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

func TestManyWaitForAHungProgramAsLongAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := hung(&asked)
		const many = 20
		began, results := time.Now(), make(chan error, many)
		for range many {
			go func() {
				_, err := f.Find(t.Context())
				results <- err
			}()
		}
		var slow *SlowError
		for range many {
			if err := <-results; !errors.As(err, &slow) {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != findPatience || asked.Load() != 1 {
			t.Errorf("%v, and it was asked %d times", took, asked.Load())
		}
		// It is not asked again at once, but after a while.
		began = time.Now()
		if _, err := f.Find(t.Context()); !errors.As(err, &slow) || time.Since(began) != 0 {
			t.Errorf("the next waits for %v: %v", time.Since(began), err)
		}
		time.Sleep(hold)
		if _, err := f.Find(t.Context()); !errors.As(err, &slow) || asked.Load() != 2 {
			t.Errorf("after a while it was asked %d times: %v", asked.Load(), err)
		}
	})
}

func TestWhoWaitsForAHungProgramMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := hung(&asked)
		first, leave := context.WithTimeout(t.Context(), 2*time.Second)
		defer leave()
		second, leave2 := context.WithTimeout(t.Context(), time.Second)
		defer leave2()
		results, began := make(chan error, 1), time.Now()
		go func() {
			_, err := f.Find(first)
			results <- err
		}()
		synctest.Wait()
		if _, err := f.Find(second); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("who waits leaves after %v: %v", time.Since(began), err)
		}
		// Who asks leaves: of those who wait, one asks.
		stays := make(chan error, 1)
		go func() {
			_, err := f.Find(t.Context())
			stays <- err
		}()
		if err := <-results; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
			t.Errorf("who asks leaves after %v: %v", time.Since(began), err)
		}
		var slow *SlowError
		if err := <-stays; !errors.As(err, &slow) || asked.Load() != 2 {
			t.Errorf("who stays: %v; asked %d times", err, asked.Load())
		}
	})
}

func TestFoundProgramIsRememberedWhileItIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	asked := 0
	f := &Finder{find: func(context.Context) (*Program, error) {
		asked++
		return &Program{Path: path}, nil
	}}
	for range 3 {
		if p, err := f.Find(t.Context()); err != nil || p.Path != path || asked != 1 {
			t.Fatalf("%+v %v, asked %d times", p, err, asked)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Find(t.Context()); err != nil || asked != 2 {
		t.Errorf("%v, asked %d times once it is gone", err, asked)
	}
}

// A program that says nothing is let go with who asked, though a child of it holds its
// output.
func TestHungProgramIsLetGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nsleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := Find(ctx, path)
		result <- err
	}()
	select {
	case err := <-result:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for the child")
	}
}

// Who is told of a program need not ask it.
func TestProgramIsKnownByItsAbilities(t *testing.T) {
	found := program(t)
	known := Known(found.Path, found.Abilities())
	if err := known.Need("libx264", "aac", "rtmp:"); err != nil {
		t.Error(err)
	}
	if err := known.Need("no_such_encoder"); err == nil {
		t.Error("it can what the program cannot")
	}
	if _, err := Known(filepath.Join(t.TempDir(), "none"), found.Abilities()).Encode(h264); err == nil {
		t.Error("one that is not there encodes")
	}
}
