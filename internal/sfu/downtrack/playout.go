package downtrack

import (
	"sync/atomic"
	"time"
)

// PlayoutDelay is what the header extension of that name says: how long a
// receiver should wait before it shows a frame, in steps of 10 ms.
func PlayoutDelay(least, most time.Duration) [3]byte {
	const step, limit = 10 * time.Millisecond, 1<<12 - 1
	lo := min(uint32(max(least, 0)/step), limit)
	hi := min(uint32(max(most, least, 0)/step), limit)
	return [3]byte{byte(lo >> 4), byte(lo<<4 | hi>>8), byte(hi)}
}

// settling is how long after the first packet a receiver may still be without the
// description that says which extension is which. Packets may overtake it.
const settling = 2 * time.Second

// playout follows whether the receiver knows its delay. It keeps what it heard
// last, so it has to be told once.
type playout struct {
	told atomic.Bool
	// since is when the first packet went out with it, nil before that.
	since atomic.Pointer[time.Time]
	// from is the first sequence number that went out with it once the receiver
	// had settled, over 1<<16; 0 before that.
	from atomic.Uint32
}

// reset begins again, for another stream.
func (p *playout) reset() {
	p.told.Store(false)
	p.since.Store(nil)
	p.from.Store(0)
}

// carry reports whether a packet that came at that time has to carry the delay.
func (p *playout) carry(seq uint16, at time.Time) bool {
	switch {
	case p.told.Load():
		return false
	case p.since.Load() == nil:
		begun := at // at itself stays off the heap
		p.since.Store(&begun)
	case p.from.Load() == 0 && at.Sub(*p.since.Load()) >= settling:
		p.from.Store(1<<16 | uint32(seq))
	}
	return true
}

// received takes the highest sequence number that the receiver has: every
// packet since the first one carries the delay until it is known.
func (p *playout) received(highest uint16) {
	if from := p.from.Load(); from != 0 && int16(highest-uint16(from)) >= 0 {
		p.told.Store(true)
	}
}
