package frames

import (
	"cmp"
	"time"

	"github.com/pion/rtp"
)

// usualPatience is how long a packet that is missing is waited for. The server asks
// publishers again for much less.
const usualPatience = time.Second

// maxHeld bounds the packets that wait for one before them.
const maxHeld = 4096

// order puts packets into their order.
type order struct {
	patience time.Duration // 0: the usual one

	begun bool
	next  int64 // the one that is due
	held  map[int64]arrival
}

type arrival struct {
	packet *rtp.Packet
	at     time.Time
}

// add takes a packet.
func (o *order) add(p *rtp.Packet, at time.Time) {
	if !o.begun {
		o.begun, o.next, o.held = true, int64(p.SequenceNumber), make(map[int64]arrival)
	}
	seq := o.next + int64(int16(p.SequenceNumber-uint16(o.next)))
	if seq < o.next {
		return // it was given up, or is there already
	}
	o.held[seq] = arrival{p, at}
}

// take returns the next packet in order and when it came, nil if it has to be
// waited for; gap says that one before it is missing. With all set nothing is
// waited for.
func (o *order) take(now time.Time, all bool) (p *rtp.Packet, at time.Time, gap bool) {
	if len(o.held) == 0 {
		return nil, at, false
	}
	if a, ok := o.held[o.next]; ok {
		delete(o.held, o.next)
		o.next++
		return a.packet, a.at, false
	}
	first, waited := int64(-1), false
	for seq, a := range o.held {
		if first < 0 || seq < first {
			first = seq
		}
		waited = waited || now.Sub(a.at) >= cmp.Or(o.patience, usualPatience)
	}
	if !all && !waited && len(o.held) < maxHeld {
		return nil, at, false
	}
	p, at = o.held[first].packet, o.held[first].at
	delete(o.held, first)
	o.next = first + 1
	return p, at, true
}
