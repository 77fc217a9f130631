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

// maxSpare bounds the payloads that are kept to be used again. What comes in order needs
// one.
const maxSpare = 64

// order puts packets into their order. What it keeps of them is in memory of its own,
// which it uses again and again: nothing is garbage while they come as they should.
type order struct {
	patience time.Duration // 0: the usual one

	begun bool
	next  int64 // the one that is due
	held  map[int64]arrival
	spare [][]byte // payloads that nobody needs
}

// arrival is what is kept of a packet.
type arrival struct {
	at        time.Time
	timestamp uint32
	marker    bool
	payload   []byte
}

// add takes a packet, and keeps a copy.
func (o *order) add(p *rtp.Packet, at time.Time) {
	if !o.begun {
		o.begun, o.next, o.held = true, int64(p.SequenceNumber), make(map[int64]arrival)
	}
	seq := o.next + int64(int16(p.SequenceNumber-uint16(o.next)))
	if _, twice := o.held[seq]; twice || seq < o.next {
		return // it was given up, or is there already
	}
	var payload []byte
	if n := len(o.spare); n > 0 {
		payload, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	o.held[seq] = arrival{at, p.Timestamp, p.Marker, append(payload[:0], p.Payload...)}
}

// take returns the next packet in order; ok is false if it has to be waited for. gap says
// that one before it is missing. With all set nothing is waited for.
func (o *order) take(now time.Time, all bool) (a arrival, gap, ok bool) {
	if len(o.held) == 0 {
		return a, false, false
	}
	if a, ok := o.held[o.next]; ok {
		delete(o.held, o.next)
		o.next++
		return a, false, true
	}
	first, waited := int64(-1), false
	for seq, a := range o.held {
		if first < 0 || seq < first {
			first = seq
		}
		waited = waited || now.Sub(a.at) >= cmp.Or(o.patience, usualPatience)
	}
	if !all && !waited && len(o.held) < maxHeld {
		return a, false, false
	}
	a = o.held[first]
	delete(o.held, first)
	o.next = first + 1
	return a, true, true
}

// done takes back a payload of which nothing is needed any more.
func (o *order) done(payload []byte) {
	if len(o.spare) < maxSpare {
		o.spare = append(o.spare, payload)
	}
}
