package ffmpeg

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// Finder finds the program in the path, and remembers for a while what it can. Who asks
// while somebody else does waits for the same answer. Its zero value is ready.
type Finder struct {
	find func(context.Context) (*Program, error) // immutable; nil: Find in the path

	mu     sync.Mutex
	asking chan struct{} // closed when whoever asks has an answer; nil while nobody does
	found  *Program
	slow   *SlowError // the last answer, nil if it was another
	at     time.Time  // of the last answer
}

const (
	// remember is how long it is taken that the program has not changed.
	remember = time.Minute
	// hold is how long one that said nothing is not asked again: each time takes
	// findPatience.
	hold = 10 * time.Second
)

// Find is as the function of that name. That there is none is not remembered: it may
// be installed.
func (f *Finder) Find(ctx context.Context) (*Program, error) {
	for {
		f.mu.Lock()
		if found, err := f.known(); found != nil || err != nil {
			f.mu.Unlock()
			return found, err
		}
		asking := f.asking
		if asking == nil {
			f.asking = make(chan struct{})
			f.mu.Unlock()
			return f.ask(ctx)
		}
		f.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// known is what is remembered; mu must be held.
func (f *Finder) known() (*Program, error) {
	age := time.Since(f.at)
	if f.slow != nil && age < hold {
		return nil, f.slow
	}
	if f.found != nil && age < remember {
		if _, err := os.Stat(f.found.Path); err == nil {
			return f.found, nil
		}
	}
	return nil, nil
}

// ask asks the program, for all who wait. If ctx ends first, one of them asks.
func (f *Finder) ask(ctx context.Context) (*Program, error) {
	find := f.find
	if find == nil {
		find = func(ctx context.Context) (*Program, error) { return Find(ctx, "") }
	}
	found, err := find(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found, f.at = found, time.Now()
	f.slow, _ = errors.AsType[*SlowError](err)
	close(f.asking)
	f.asking = nil
	return found, err
}
