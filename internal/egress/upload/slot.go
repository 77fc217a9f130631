package upload

import (
	"context"
	"errors"
	"io"
	"time"
)

// errStalled is the problem of a try that was cut short.
var errStalled = errors.New("the store takes nothing")

// begin waits for a slot. The context that it returns ends when the try has sent nothing
// for that long from then on, or keeps the end of the recording from being told; over
// gives the slot back. The error is that the wait ended without one.
func (s *Sender) begin(parent context.Context, idle time.Duration) (ctx context.Context, over func(), err error) {
	ctx, cut := context.WithCancel(parent)
	s.mu.Lock()
	s.cut, s.sends = cut, false
	s.mu.Unlock()
	select {
	case s.opts.Slots <- struct{}{}:
	case <-ctx.Done():
		s.mu.Lock()
		s.cut = nil
		s.mu.Unlock()
		err = ctx.Err()
		cut()
		return nil, nil, err
	}
	stop := s.watch(cut, idle)
	return ctx, func() {
		stop()
		s.mu.Lock()
		s.cut, s.moved = nil, time.Now()
		s.mu.Unlock()
		<-s.opts.Slots
		cut()
	}, nil
}

// watch cuts a try, which has its slot now, when it has sent nothing for a while.
func (s *Sender) watch(cut func(), after time.Duration) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved, s.sends = time.Now(), true
	var t *time.Timer
	t = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if idle := time.Since(s.moved); idle < after {
			t.Reset(after - idle)
			return
		}
		cut()
	})
	return t.Stop
}

// body notes that it is read.
type body struct {
	io.ReaderAt
	s *Sender
}

// ReadAt implements io.ReaderAt.
func (b *body) ReadAt(p []byte, at int64) (int, error) {
	b.s.progress()
	return b.ReaderAt.ReadAt(p, at)
}

// progress notes that the store takes something.
func (s *Sender) progress() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = time.Now()
}
