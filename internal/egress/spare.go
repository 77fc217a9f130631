package egress

import (
	"log/slog"
	"sync"
	"time"
)

// When there is a spare worker: not before the first recording, which may be the
// only one; soon after each that begins, which has the processor first; and not
// forever.
const (
	spareAfter = time.Second
	spareFor   = 10 * time.Minute // since the last began, or was to
)

// spare is a worker that waits for a job. To start a program takes a tenth of a
// second on a machine that is busy, and a recording is to begin at once. It has the
// id already that the next job gets, as workers are told apart by that.
type spare struct {
	start func(id string) (*process, error)
	log   *slog.Logger

	mu     sync.Mutex
	worker *process // nil while there is none
	id     string
	wantc  chan struct{} // has an element when a recording has begun; nil before the first
	closed bool
	closec chan struct{}
	owned  sync.WaitGroup // run
}

func newSpare(log *slog.Logger, start func(id string) (*process, error)) *spare {
	return &spare{start: start, log: log, closec: make(chan struct{})}
}

// take returns the spare worker and its id, nil if there is none.
func (s *spare) take() (*process, string) {
	s.mu.Lock()
	p, id := s.worker, s.id
	s.worker = nil
	s.mu.Unlock()
	if p == nil {
		return nil, ""
	}
	select {
	case <-p.reports: // it has nothing to say yet: it is gone
		retire(p)
		return nil, ""
	default:
		return p, id
	}
}

// give takes back a worker that was taken, and told nothing: its recording did not begin.
// It may be wanted soon all the same.
func (s *spare) give(p *process, id string) {
	s.mu.Lock()
	if s.worker == nil && !s.closed {
		s.worker, s.id, p = p, id, nil
	}
	s.mu.Unlock()
	retire(p) // there is another
	s.want()
}

// want says that a recording has begun, and that another may.
func (s *spare) want() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.wantc == nil {
		s.wantc = make(chan struct{}, 1)
		s.owned.Go(s.run)
	}
	select {
	case s.wantc <- struct{}{}:
	default:
	}
}

func (s *spare) run() {
	var begin, end <-chan time.Time
	for {
		select {
		case <-s.wantc:
			if end = time.After(spareFor); begin == nil {
				begin = time.After(spareAfter)
			}
		case <-begin:
			begin = nil
			s.fill()
		case <-end:
			s.drop()
		case <-s.closec:
			return
		}
	}
}

// fill starts a worker if there is none.
func (s *spare) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != nil || s.closed {
		return
	}
	id := newID()
	p, err := s.start(id)
	if err != nil {
		s.log.Warn("start a spare worker for recordings", "error", err)
		return
	}
	p.listen()
	s.worker, s.id = p, id
}

// drop ends the worker if there is one.
func (s *spare) drop() {
	s.mu.Lock()
	p := s.worker
	s.worker = nil
	s.mu.Unlock()
	retire(p)
}

// retire ends a worker that has no job, nil for none.
func retire(p *process) {
	if p == nil {
		return
	}
	p.kill()
	for range p.reports {
		continue
	}
	_ = p.in.Close()
	_ = p.wait() // it was killed
}

// close ends the worker, and returns when it is gone.
func (s *spare) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closec)
	}
	s.mu.Unlock()
	s.drop()
	s.owned.Wait()
}
