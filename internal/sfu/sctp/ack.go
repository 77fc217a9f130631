package sctp

import (
	"encoding/binary"
	"time"
)

// handleSack takes an acknowledgement, RFC 9260 §6.2.1.
func (a *Association) handleSack(b []byte, now time.Time) {
	o := &a.sender
	if len(b) < 12 {
		return
	}
	cum, window := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	gaps := int(binary.BigEndian.Uint16(b[8:]))
	if before(cum, o.acked) || !before(cum, o.next) || len(b) < 12+4*gaps {
		return // older than another, or of what was never sent
	}
	o.errors = 0
	s := sacking{o: o, now: now, newest: -1}
	n := int(cum - o.acked)
	for i := range n {
		s.ack(i)
	}
	s.gaps(b[12:12+4*gaps], n)
	s.missing()
	full := s.before+s.bytes+maxPacket > o.cwnd // the window was made use of
	o.pop(n)
	o.acked = cum
	if o.recovering && !before(cum, o.recoverAt) {
		o.recovering = false
	}
	if n > 0 {
		o.grow(s.bytes, full)
	}
	if s.sampled {
		o.measured(s.sample)
	}
	o.peerWindow = max(0, int(min(window, 1<<30))-o.inFlight)
	switch {
	case len(o.flight) == 0:
		o.t3 = time.Time{}
	case n > 0:
		o.t3 = now.Add(o.rto)
	}
	o.forward = o.gaveUp() > 0
}

// sacking is what one acknowledgement does.
type sacking struct {
	o       *outbound
	now     time.Time
	before  int // bytes in flight that are left
	bytes   int // acknowledged for the first time
	newest  int // index of the last chunk acknowledged for the first time
	sent    time.Time
	sampled bool
	sample  time.Duration
}

// ack notes that chunk i has arrived.
func (s *sacking) ack(i int) {
	c := &s.o.flight[i]
	if c.acked {
		return
	}
	c.acked = true
	n := c.to - c.from
	s.bytes += n
	c.m.stream.buffered -= n
	switch {
	case !c.lost:
		s.o.inFlight -= n
	case !c.m.dropped:
		s.o.lost--
	}
	if c.times == 1 { // RFC 9260 §6.3.1 C5
		s.sampled, s.sample = true, s.now.Sub(c.at)
	}
	s.newest = i
	if c.at.After(s.sent) {
		s.sent = c.at
	}
}

// gaps notes the chunks of gap blocks, which begin behind the first n. The blocks are
// in order; what one says again that another has said before is passed over.
func (s *sacking) gaps(b []byte, n int) {
	next := n
	for ; len(b) >= 4; b = b[4:] {
		first, last := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		last = min(n+last-1, len(s.o.flight)-1)
		for i := max(next, n+first-1); i <= last; i++ {
			s.ack(i)
			next = i + 1
		}
	}
	s.before = s.o.inFlight
}

// missing counts a report against each chunk that was sent before one that has
// arrived, and takes it as lost after three (RFC 9260 §7.2.4). A chunk that was
// sent again is counted anew, by what was sent after that.
func (s *sacking) missing() {
	o := s.o
	for i := 0; i < s.newest; i++ {
		c := &o.flight[i]
		if c.acked || c.lost || c.at.After(s.sent) || c.times > 1 && !c.at.Before(s.sent) {
			continue
		}
		if c.missing++; c.missing < maxMissing {
			continue
		}
		o.lose(i)
		if !o.recovering {
			o.recovering, o.recoverAt = true, o.next-1
			o.threshold = max(o.cwnd/2, minThreshold)
			o.cwnd, o.partial = o.threshold, 0
		}
	}
}

// pop forgets the first n chunks, which the other side has.
func (o *outbound) pop(n int) {
	for i := range n {
		c := &o.flight[i]
		if !c.acked {
			panic("BUG: chunk forgotten before it was acknowledged")
		}
		if c.flags&flagEnd != 0 && !c.m.dropped {
			o.recycle(c.m) // those before it are forgotten already
		}
	}
	rest := copy(o.flight, o.flight[n:])
	clear(o.flight[rest:])
	if o.flight = o.flight[:rest]; rest == 0 && cap(o.flight) > 64 {
		o.flight = nil
	}
}

// grow opens the congestion window, RFC 9260 §7.2.1 and §7.2.2.
func (o *outbound) grow(bytes int, full bool) {
	switch {
	case o.recovering || !full:
	case o.cwnd <= o.threshold:
		o.cwnd += min(bytes, 2*maxPacket)
	default:
		if o.partial += bytes; o.partial >= o.cwnd {
			o.partial -= o.cwnd
			o.cwnd += maxPacket
		}
	}
}

// measured takes a round trip time, RFC 9260 §6.3.1.
func (o *outbound) measured(rtt time.Duration) {
	if o.srtt == 0 {
		o.srtt, o.rttvar = rtt, rtt/2
	} else {
		o.rttvar += ((o.srtt - rtt).Abs() - o.rttvar) / 4
		o.srtt += (rtt - o.srtt) / 8
	}
	o.rto = min(max(o.srtt+4*o.rttvar, minRTO), maxRTO)
}
