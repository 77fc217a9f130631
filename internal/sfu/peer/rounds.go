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
	step time.Duration // immutable

	mu     sync.Mutex
	slots  [slotCount]map[*conn]struct{} // mu guards
	places map[*conn]int                 // mu guards; slot by connection
	next   int                           // mu guards
	timer  *time.Timer                   // mu guards; nil while there is nobody
}

func newRounds(interval time.Duration) *rounds {
	r := &rounds{step: max(interval/slotCount, time.Millisecond), places: map[*conn]int{}}
	for i := range r.slots {
		r.slots[i] = map[*conn]struct{}{}
	}
	return r
}

// add has c visited until remove.
func (r *rounds) add(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.places[c]; ok {
		return
	}
	// Of the emptiest slots the one that is visited last.
	best := (r.next + slotCount - 1) % slotCount
	for i := 2; i <= slotCount; i++ {
		if at := (r.next + slotCount - i) % slotCount; len(r.slots[at]) < len(r.slots[best]) {
			best = at
		}
	}
	r.slots[best][c], r.places[c] = struct{}{}, best
	if r.timer == nil {
		r.timer = time.AfterFunc(r.step, r.visit)
	}
}

// remove ends the visits: none is under way after it.
func (r *rounds) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.places[c]; ok {
		delete(r.slots[at], c)
		delete(r.places, c)
	}
	if len(r.places) == 0 && r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// visit visits a slot. It blocks on nobody.
func (r *rounds) visit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		return // the last one has left meanwhile
	}
	slot := r.slots[r.next]
	r.next = (r.next + 1) % slotCount
	r.timer.Reset(r.step)
	if len(slot) == 0 {
		return
	}
	now := time.Now()
	batch := transport.Borrow()
	defer batch.Return()
	for c := range slot {
		c.visit(now, batch)
	}
}
