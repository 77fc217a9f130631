package peer

import (
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// maxHeld is how many packets of a connection wait. If there are more the first of them
// goes, whatever the pace.
const maxHeld = 512

// pacer spreads the video of a connection that has shown a limit. While it has shown none,
// nothing is asked of a pacer but whether that is so. Sound does not come here.
//
// While it is on, every numbered packet goes with mu held until the socket has it, or waits
// in one of two queues. So none overtakes another of its stream, whoever sends it: the
// reader that has brought it, a probe, or the timer.
type pacer struct {
	visit func(*pacer) // immutable; has tick called soon. nil: it is never on

	mu      sync.Mutex
	history *bwe.History // mu guards; says that this is on. nil while it is not
	closed  bool         // mu guards
	pace    bwe.Pace     // mu guards
	turn    uint32       // mu guards; how often it was turned on
	again   heldQueue    // mu guards; what is sent again, which goes first: the client waits for it
	media   heldQueue    // mu guards
	count   int          // mu guards; packets in both
	bytes   int          // mu guards; of them
	listed  bool         // mu guards; tick will be called
	held    uint64       // mu guards; how many packets have waited
}

// set sets the rate in bits per second, bwe.Unlimited to hold nothing back of what is
// numbered by h.
func (p *pacer) set(h *bwe.History, rate uint64) {
	if rate == bwe.Unlimited && !h.Paced() {
		return // most never are
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || p.visit == nil:
	case rate != bwe.Unlimited:
		p.pace.Set(rate)
		if p.history == nil {
			p.history = h
			p.turn++
			h.SetPaced(true)
		}
	case p.history != nil:
		p.sendSome(p.bytes)
		p.end()
	}
}

// end has packets go past mu from now on. Nothing waits. mu is held.
func (p *pacer) end() {
	if p.history != nil {
		p.history.SetPaced(false)
		p.history = nil
	}
}

// write sends a packet, or keeps a copy of it until it is time for it.
func (p *pacer) write(n *numbered, h *rtp.Header, payload []byte, batch uptrack.Batch) (int, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history == nil {
		return n.send(h, payload, batch) // it was when the packet came
	}
	if n.turn != p.turn {
		n.turn = p.turn
		if b, ok := batch.(*transport.Batch); ok {
			b.Flush() // what went there before must not be overtaken
		}
	}
	size := h.MarshalSize() + len(payload) + int(h.PaddingSize)
	if n.again && p.again.first == nil && len(payload) == 0 {
		return n.send(h, payload, nil) // padding, of which the probe says when it goes
	}
	if p.count == 0 {
		p.pace.Begin(now)
		if p.pace.Due(now, now) {
			p.pace.Went(size, size, now)
			return n.send(h, payload, nil)
		}
	}
	if p.count >= maxHeld {
		p.sendFirst(nil)
	}
	f := heldPackets.Get().(*held)
	if !f.fill(h, payload) {
		f.free()
		p.sendSome(p.bytes)
		return n.send(h, payload, nil)
	}
	f.to, f.size, f.since = n, size, now
	p.queue(n).add(f)
	p.count++
	p.bytes += size
	p.held++
	if !p.listed {
		p.listed = true
		p.visit(p)
	}
	return size, nil
}

// tick sends what is due, and reports whether something waits still.
func (p *pacer) tick(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var batch *transport.Batch
	for f := p.first(); f != nil && p.pace.Due(f.since, now); f = p.first() {
		if batch == nil {
			batch = transport.Borrow()
		}
		p.pace.Went(f.size, p.bytes, now)
		p.sendFirst(batch)
	}
	if batch != nil {
		batch.Return() // before anybody else can send
	}
	p.listed = p.count > 0
	return p.listed
}

// release sends about so many bytes of what waits, beside the pace, and returns how many it
// were.
func (p *pacer) release(bytes int) (sent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sendSome(bytes)
}

// sendSome is release with mu held.
func (p *pacer) sendSome(bytes int) (sent int) {
	if p.count == 0 {
		return 0
	}
	batch := transport.Borrow()
	defer batch.Return()
	for f := p.first(); f != nil && sent < bytes; f = p.first() {
		sent += f.size
		p.sendFirst(batch)
	}
	return sent
}

// first returns what goes next, nil if nothing waits. mu is held.
func (p *pacer) first() *held {
	if p.again.first != nil {
		return p.again.first
	}
	return p.media.first
}

// sendFirst sends what goes next. It may get lost, as any packet may. mu is held.
func (p *pacer) sendFirst(batch uptrack.Batch) {
	f := p.first()
	p.take(f, nil)
	_, _ = f.to.send(&f.header, f.payload, batch)
	f.free()
}

// take takes one out of its queue, where before is the one before it. mu is held.
func (p *pacer) take(f, before *held) {
	p.queue(f.to).remove(f, before)
	p.count--
	p.bytes -= f.size
}

// queue is where the packets of a stream wait. mu is held.
func (p *pacer) queue(n *numbered) *heldQueue {
	if n.again {
		return &p.again
	}
	return &p.media
}

// forget drops what waits of a track that has ended.
func (p *pacer) forget(ssrc, rtx uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(func(f *held) bool { return f.header.SSRC == ssrc || f.header.SSRC == rtx })
}

// close drops what waits. Nothing is held back after it.
func (p *pacer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.drop(func(*held) bool { return true })
	p.end()
}

// drop drops some of those that wait. mu is held.
func (p *pacer) drop(which func(*held) bool) {
	for _, queue := range []*heldQueue{&p.again, &p.media} {
		var before *held
		for f := queue.first; f != nil; {
			next := f.next
			if which(f) {
				p.take(f, before)
				f.free()
			} else {
				before = f
			}
			f = next
		}
	}
}

func (p *pacer) stats() Paced {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Paced{Waiting: p.count, Packets: p.held}
	if p.history != nil {
		s.Connections = 1
	}
	return s
}

// paced is what is held back of a connection.
func (p *packets) paced() Paced {
	if p.budget == nil {
		return Paced{}
	}
	return p.budget.pacer.stats()
}
