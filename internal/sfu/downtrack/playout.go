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

// playout follows whether the receiver knows its delay. It keeps what it heard
// last, so it has to be told once.
type playout struct {
	told atomic.Bool
	// from is the first sequence number that went out with it, over 1<<16; 0
	// before that.
	from atomic.Uint32
}

// carry reports whether a packet has to carry the delay.
func (p *playout) carry(seq uint16) bool {
	if p.told.Load() {
		return false
	}
	if p.from.Load() == 0 {
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
