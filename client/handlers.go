package client

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/rollcall-rtc/rollcall/event"
)

// Source is what tells events: a *Room, a *LocalParticipant or a *RemoteParticipant.
type Source interface {
	// register adds a handler for the room's dispatcher to call.
	register(fn func(Event)) (stop func())
	// tells reports whether events of that name are told here.
	tells(event.View) bool
}

// On calls fn for each E that src tells from now on, until stop is called. With
// E = Event, fn gets all of them.
//
// All handlers of a room run on one goroutine, one after the other, in the order
// of the events; a handler at a participant runs before those at the room.
// Events wait for a slow handler, without limit, and none is lost. A handler may
// call anything, also Room.Disconnect, but it must not wait for Room.Done.
//
// On panics if src never tells an E: a room tells no IsSpeakingChanged, and a
// participant nothing that concerns the whole room.
func On[E Event](src Source, fn func(E)) (stop func()) {
	var zero E
	if e := Event(zero); e != nil {
		if v, _ := event.LookupView(e.View()); !src.tells(v) {
			panic(fmt.Sprintf("client: %T tells no %s", src, e.View()))
		}
	}
	return src.register(func(e Event) {
		if e, is := e.(E); is {
			fn(e)
		}
	})
}

// handlers are the functions registered at one source.
type handlers struct {
	mu  sync.Mutex
	all []*func(Event) // mu guards; the slice is replaced, not changed
}

func (h *handlers) register(fn func(Event)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	entry := &fn
	h.all = append(slices.Clip(h.all), entry)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = slices.DeleteFunc(slices.Clone(h.all), func(f *func(Event)) bool { return f == entry })
	}
}

func (h *handlers) call(e Event) {
	h.mu.Lock()
	all := h.all
	h.mu.Unlock()
	for _, fn := range all {
		(*fn)(e)
	}
}

// dispatcher tells events, in the order in which they are emitted.
type dispatcher struct {
	handlers // of the room

	queue *mailbox[Event]

	mu        sync.Mutex
	listeners map[*mailbox[Event]]struct{} // mu guards; of Events
	ended     bool                         // mu guards
}

func newDispatcher() *dispatcher {
	return &dispatcher{queue: newMailbox[Event](), listeners: map[*mailbox[Event]]struct{}{}}
}

// emit queues e for everybody who listens now.
func (d *dispatcher) emit(e Event) {
	d.queue.send(e)
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.View() == event.ViewIsSpeakingChanged {
		return // a participant's only
	}
	for l := range d.listeners {
		l.send(e)
	}
}

// end lets no more events come.
func (d *dispatcher) end() {
	d.queue.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for l := range d.listeners {
		l.close()
	}
}

// run calls handlers until the last event is told.
func (d *dispatcher) run() {
	for range d.queue.wakec {
		queue, more := d.queue.take()
		for _, e := range queue {
			if p := e.subject(); p != nil {
				p.base().handlers.call(e)
			}
			if e.View() != event.ViewIsSpeakingChanged {
				d.handlers.call(e)
			}
		}
		if !more {
			return
		}
	}
}

// listen returns the events from now on, until ctx or the room ends.
func (d *dispatcher) listen(ctx context.Context) iter.Seq[Event] {
	box := newMailbox[Event]()
	d.mu.Lock()
	if d.ended {
		box.close()
	} else {
		d.listeners[box] = struct{}{}
	}
	d.mu.Unlock()
	forget := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.listeners, box)
	}
	stop := context.AfterFunc(ctx, forget)
	return func(yield func(Event) bool) {
		defer stop()
		defer forget()
		for {
			queue, more := box.take()
			for _, e := range queue {
				if ctx.Err() != nil || !yield(e) {
					return
				}
			}
			if len(queue) > 0 {
				continue
			}
			if !more {
				return
			}
			select {
			case <-box.wakec:
			case <-ctx.Done():
				return
			}
		}
	}
}
