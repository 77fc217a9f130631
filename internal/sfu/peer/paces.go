package peer

import (
	"sync"
	"time"
)

// paceInterval is how often packets that wait are looked after.
const paceInterval = 5 * time.Millisecond

// paces looks after the pacers of all connections of which something waits, by one timer
// that runs only then. Its lock is a leaf.
type paces struct {
	mu      sync.Mutex
	pacers  []*pacer    // mu guards; each once
	timer   *time.Timer // mu guards; nil before the first time
	running bool        // mu guards

	due []*pacer // tick's
}

// add has p.tick called, until that says that nothing waits.
func (s *paces) add(p *pacer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pacers = append(s.pacers, p)
	if s.running {
		return
	}
	s.running = true
	if s.timer == nil {
		s.timer = time.AfterFunc(paceInterval, s.tick)
	} else {
		s.timer.Reset(paceInterval)
	}
}

// tick runs on the timer's goroutine, never twice at a time.
func (s *paces) tick() {
	s.mu.Lock()
	s.due, s.pacers = s.pacers, s.due[:0]
	s.mu.Unlock()
	now := time.Now()
	kept := s.due[:0]
	for _, p := range s.due {
		if p.tick(now) {
			kept = append(kept, p)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pacers = append(s.pacers, kept...)
	clear(s.due) // so that none is kept that has ended
	if s.running = len(s.pacers) > 0; s.running {
		s.timer.Reset(paceInterval)
	}
}
