package room

import (
	"context"
	"sync"
	"sync/atomic"
)

// berth is where a client's connections find its participant: in the room that it
// joined or, after a move, in another one. It stays the same through moves, and
// what comes while one is under way is kept in order and goes to the new room.
type berth struct {
	mu     sync.RWMutex
	room   *Room                        // mu guards
	p      *participant                 // mu guards; only the loop of room looks inside
	moving bool                         // mu guards
	held   []func(*state, *participant) // mu guards; what came while moving

	restUntil atomic.Int64 // when its client may go on, in ns since 1970; 0: now
}

func newBerth(room *Room, p *participant) *berth { return &berth{room: room, p: p} }

// post runs fn in the loop of the room in which the participant is, unless it is
// gone by then. It waits while the room's mailbox is full. Loops must not call it.
func (b *berth) post(fn func(*state, *participant)) {
	for {
		b.mu.RLock()
		if !b.moving {
			// Not unlocked before the turn is in its queue: who begins to move
			// knows that nothing comes after its own turn.
			b.deliver(fn)
			b.mu.RUnlock()
			return
		}
		b.mu.RUnlock()
		if b.keep(fn) {
			return
		}
	}
}

// deliver is post to where the participant is now; mu must be held.
func (b *berth) deliver(fn func(*state, *participant)) {
	p := b.p
	b.room.post(func(s *state) {
		if !p.gone {
			fn(s, p)
		}
	})
}

// keep holds fn back until the move is over; it reports false if it is.
func (b *berth) keep(fn func(*state, *participant)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moving {
		b.held = append(b.held, fn)
	}
	return b.moving
}

// do is post, and waits for the end of the turn.
func (b *berth) do(fn func(*state, *participant)) {
	room, p := b.where()
	_, _ = room.do(context.Background(), func(s *state) {
		if !p.gone {
			fn(s, p)
		}
	})
}

// where returns the room and the participant as of now.
func (b *berth) where() (*Room, *participant) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.room, b.p
}

// hold begins a move: what was posted before runs in turns before any that is
// asked for from now on. It reports false if a move is under way.
func (b *berth) hold() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moving {
		return false
	}
	b.moving = true
	return true
}

// settle ends a move: the participant is p in room.
func (b *berth) settle(room *Room, p *participant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room, b.p, b.moving = room, p, false
	for _, fn := range b.held {
		b.deliver(fn)
	}
	b.held = nil
}
