package peer

import (
	"sync"
	"sync/atomic"

	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
)

// readers are the goroutines that give messages to the handler. A channel has one
// while there are messages.
type readers struct {
	mu      sync.Mutex
	closed  bool // mu guards
	running sync.WaitGroup
}

// enter reports whether a reader may run; if so it says leave in the end.
func (r *readers) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.running.Add(1)
	}
	return !r.closed
}

func (r *readers) leave() { r.running.Done() }

// close lets no more readers begin, and waits for those that run.
func (r *readers) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.running.Wait()
}

// deliver has a message handed to the handler, behind those that arrived on its
// channel before. The association's mu is held.
func (c *conn) deliver(ch *channel, m sctp.Message) {
	ch.inbox = append(ch.inbox, m)
	if c.packets.data.read[ch] || !c.readers.enter() {
		return
	}
	c.packets.data.read[ch] = true
	go func() {
		defer c.readers.leave()
		c.read(ch)
	}()
}

// read hands messages to the handler until there are none. A handler in use, and a
// limit, slow the client down: what waits is missing in the window.
func (c *conn) read(ch *channel) {
	a := &c.packets.data
	for {
		a.mu.Lock()
		inbox, after := ch.inbox, ch.after
		ch.inbox, ch.after = nil, nil
		if len(inbox) == 0 && len(after) == 0 {
			delete(a.read, ch)
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		for _, m := range inbox {
			c.handle(ch, m)
		}
		for _, fn := range after {
			fn()
		}
	}
}

// AfterData says whether data that has arrived waits for the handler. If so, fn is
// called, in turn with the handler's methods, when that has had it: the client knows
// that it arrived, and may rely on that in what it says otherwise.
func (c *conn) AfterData(fn func()) bool {
	a := &c.packets.data
	a.mu.Lock()
	defer a.mu.Unlock()
	var left atomic.Int32 // channels
	for ch := range a.read {
		left.Add(1)
		ch.after = append(ch.after, func() {
			if left.Add(-1) == 0 {
				c.call(fn)
			}
		})
	}
	return left.Load() > 0
}

func (c *conn) handle(ch *channel, m sctp.Message) {
	if m.Kind == ppidControl {
		c.opened(ch)
		return
	}
	defer c.packets.data.consumed(m)
	payload := m.Payload
	if m.Kind == ppidBinaryEmpty || m.Kind == ppidTextEmpty {
		payload = nil
	}
	kind, label := ch.request.kind(), ch.request.label
	if c.pass(kind, label, len(payload)) {
		c.call(func() { c.events.data(kind, label, payload) })
	}
}

// opened lets data out through a channel that both sides have: one of ours, or one
// that the client has made for it.
func (c *conn) opened(ch *channel) {
	switch ch.request.label {
	case labelReliable, labelLossy, labelTrack:
		if err := c.out.opened(ch.request.kind(), ch); err != nil {
			c.log.Debug("data not sent", "error", err)
		}
	}
}
