package peer

import (
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// slotCount divides an interval: each connection is visited once in it, together
// with the others of its slot, whose checks leave in one system call.
const slotCount = 8

// rounds visits every connection once in an interval.
type rounds struct {
	interval time.Duration // immutable

	mu     sync.Mutex
	slots  [slotCount]turn // mu guards
	places map[*conn]*turn // mu guards
}

// turn is those who are visited together. The lock of rounds guards it.
type turn struct {
	conns map[*conn]struct{}
	timer *time.Timer // nil while there is nobody
	due   time.Time   // when the next visit is
}

func newRounds(interval time.Duration) *rounds {
	r := &rounds{interval: interval, places: map[*conn]*turn{}}
	for i := range r.slots {
		s := &r.slots[i]
		s.conns, s.due = map[*conn]struct{}{}, time.Now().Add(time.Duration(i-slotCount)*interval/slotCount)
	}
	return r
}

// add has c visited until remove.
func (r *rounds) add(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places[c] != nil {
		return
	}
	// Of the emptiest slots the one that is visited last.
	now := time.Now()
	var best *turn
	for i := range r.slots {
		s := &r.slots[i]
		if late := now.Sub(s.due); s.timer == nil && late >= 0 {
			s.due = now.Add(r.interval - late%r.interval) // as if it had been visited
		}
		if best == nil || len(s.conns) < len(best.conns) || len(s.conns) == len(best.conns) && s.due.After(best.due) {
			best = s
		}
	}
	best.conns[c], r.places[c] = struct{}{}, best
	if best.timer == nil {
		best.timer = time.AfterFunc(best.due.Sub(now), func() { r.visit(best) })
	}
}

// remove ends the visits: none is under way after it.
func (r *rounds) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.places[c]
	if s == nil {
		return
	}
	delete(s.conns, c)
	delete(r.places, c)
	if len(s.conns) == 0 && s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// visit visits a slot. It blocks on nobody.
func (r *rounds) visit(s *turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.timer == nil {
		return // the last one has left meanwhile
	}
	now := time.Now()
	s.timer.Reset(r.interval)
	s.due = now.Add(r.interval)
	batch := transport.Borrow()
	defer batch.Return()
	for c := range s.conns {
		c.visit(now, batch)
	}
}
