package sctp

import (
	"encoding/binary"
	"time"
)

const (
	initialWindow = 10 * maxPacket // of congestion, as RFC 6928 has it
	minThreshold  = 4 * maxPacket  // RFC 9260 §7.2.3
	maxMissing    = 3              // reports that make a chunk lost (RFC 9260 §7.2.4)
	maxFlight     = 4096           // chunks from the first that is not acknowledged on
	maxKept       = 16             // messages for which an empty queue keeps room
	maxSpare      = 4              // messages that are used again,
	maxSpareBytes = 1024           // if they are not longer
)

// outbound is what we send.
type outbound struct {
	first, next uint32 // TSNs: of the first chunk ever, of the next one

	streams map[uint16]*outgoing
	recent  *outgoing   // the stream that was looked for last, or nil
	ready   []*outgoing // with something to send; the first is in turn
	spare   []*message  // that were acknowledged, for what is sent next

	flight   []sent // from the first not acknowledged cumulatively on
	inFlight int    // bytes of it that are on their way
	lost     int    // chunks of it that are to be sent again, and of no message given up

	acked      uint32 // the cumulative acknowledgement
	forwardTSN bool   // the other side knows FORWARD TSN
	forward    bool   // one is to be sent

	peerWindow   int
	cwnd         int
	threshold    int
	partial      int  // bytes acknowledged in this window, RFC 9260 §7.2.2
	recovering   bool // until recoverAt is acknowledged
	recoverAt    uint32
	rto          time.Duration
	srtt, rttvar time.Duration
	t3           time.Time
	errors       int // timeouts in a row
}

// outgoing is a stream.
type outgoing struct {
	id       uint16
	ssn      uint16
	queue    []*message
	buffered int  // bytes not acknowledged
	closing  bool // to be reset once it is empty
}

// message is a message on its way out.
type message struct {
	stream  *outgoing
	kind    uint32
	ssn     uint16
	rel     Reliability
	b       []byte
	at      int  // what was made chunks of
	dropped bool // given up
}

// sent is a chunk that was sent.
type sent struct {
	m        *message
	from, to int
	at       time.Time // when last
	times    uint16
	missing  uint8
	flags    uint8
	acked    bool
	lost     bool // to be sent again, or given up: not in flight
}

func (o *outbound) init(tsn uint32) {
	*o = outbound{
		first: tsn, next: tsn, acked: tsn - 1,
		cwnd: initialWindow, threshold: 1 << 30, rto: initialRTO * 2,
		streams: map[uint16]*outgoing{},
	}
}

func (o *outbound) clear() {
	o.streams, o.recent, o.ready, o.spare, o.flight, o.t3 = nil, nil, nil, nil, nil, time.Time{}
}

// stream returns a stream, nil if there is none.
func (o *outbound) stream(id uint16) *outgoing {
	if o.recent == nil || o.recent.id != id {
		o.recent = o.streams[id]
	}
	return o.recent
}

// message returns one to be filled in.
func (o *outbound) message() *message {
	n := len(o.spare) - 1
	if n < 0 {
		return &message{}
	}
	m := o.spare[n]
	o.spare[n] = nil
	o.spare = o.spare[:n]
	return m
}

// recycle takes a message of which nothing is on its way any more.
func (o *outbound) recycle(m *message) {
	if len(o.spare) < maxSpare && cap(m.b) <= maxSpareBytes {
		*m = message{b: m.b[:0]}
		o.spare = append(o.spare, m)
	}
}

// Send sends a message, now or when the other side can take it. The payload,
// which must not be empty, may be used again after it.
func (a *Association) Send(stream uint16, kind uint32, payload []byte, r Reliability, now time.Time) error {
	if a.state == ended {
		return ErrClosed
	}
	s := a.sender.stream(stream)
	if s == nil {
		s = &outgoing{id: stream}
		a.sender.streams[stream] = s
	}
	if s.closing {
		return ErrClosed
	}
	m := a.sender.message()
	m.stream, m.kind, m.rel, m.b = s, kind, r, append(m.b, payload...)
	if !r.Unordered {
		m.ssn = s.ssn
		s.ssn++
	}
	s.buffered += len(m.b)
	if s.queue = append(s.queue, m); len(s.queue) == 1 {
		a.sender.ready = append(a.sender.ready, s)
	}
	a.pump(now)
	return nil
}

// Buffered is how much of what was sent on a stream is not acknowledged, in bytes.
func (a *Association) Buffered(stream uint16) int {
	if s := a.sender.stream(stream); s != nil {
		return s.buffered
	}
	return 0
}

// transmit sends what the windows allow: what was lost first, then news of what
// was given up, then what is new.
func (a *Association) transmit(now time.Time) {
	o := &a.sender
	for i := 0; i < len(o.flight) && o.lost > 0; i++ {
		c := &o.flight[i]
		if !c.lost || c.acked || c.m.dropped {
			continue
		}
		if o.inFlight > 0 && o.inFlight+c.to-c.from > o.cwnd {
			break
		}
		c.lost = false
		o.lost--
		a.sendChunk(o.acked+1+uint32(i), c, now)
	}
	if o.forward {
		o.forward = false
		a.sendForward()
	}
	for len(o.ready) > 0 {
		s := o.ready[0]
		m := s.queue[0]
		n := min(len(m.b)-m.at, maxFragment)
		// One chunk may always be on its way, so that a window that was closed is
		// found open (RFC 9260 §6.1 A).
		if o.inFlight > 0 && (o.inFlight+n > o.cwnd || n > o.peerWindow) {
			break
		}
		// Nor does what has arrived behind one that is missing count as in flight, and it
		// is kept for as long as that is.
		if len(o.flight) >= maxFlight {
			break
		}
		o.flight = append(o.flight, sent{m: m, from: m.at, to: m.at + n, flags: m.flags(n)})
		m.at += n
		o.next++
		o.peerWindow = max(0, o.peerWindow-n)
		a.sendChunk(o.next-1, &o.flight[len(o.flight)-1], now)
		if m.at == len(m.b) {
			o.finished(s)
		}
	}
	if len(o.flight) > 0 && o.t3.IsZero() {
		o.t3 = now.Add(o.rto)
	}
}

func (m *message) flags(n int) (flags uint8) {
	if m.at == 0 {
		flags |= flagBegin
	}
	if m.at+n == len(m.b) {
		flags |= flagEnd
	}
	if m.rel.Unordered {
		flags |= flagUnordered
	}
	return flags
}

// finished takes the stream's message off, which is all sent or given up, and lets
// the next stream have its turn.
func (o *outbound) finished(s *outgoing) {
	s.queue[0] = nil
	if len(s.queue) > 1 {
		s.queue = s.queue[1:]
	} else if s.queue = s.queue[:0]; cap(s.queue) > maxKept {
		s.queue = nil
	}
	copy(o.ready, o.ready[1:])
	o.ready[len(o.ready)-1] = nil
	o.ready = o.ready[:len(o.ready)-1]
	if len(s.queue) > 0 {
		o.ready = append(o.ready, s)
	}
}

// sendChunk sends a chunk of the flight, again or for the first time.
func (a *Association) sendChunk(tsn uint32, c *sent, now time.Time) {
	c.at, c.missing = now, 0
	c.times++
	a.sender.inFlight += c.to - c.from
	n := c.to - c.from
	a.out.room(dataHeader + n)
	b := append(a.out.b, chunkData, c.flags)
	b = binary.BigEndian.AppendUint16(b, uint16(dataHeader+n))
	b = binary.BigEndian.AppendUint32(b, tsn)
	b = binary.BigEndian.AppendUint16(b, c.m.stream.id)
	b = binary.BigEndian.AppendUint16(b, c.m.ssn)
	b = binary.BigEndian.AppendUint32(b, c.m.kind)
	a.out.b = appendPadding(append(b, c.m.b[c.from:c.to]...))
}

// lose takes chunk i, which has not arrived, out of the flight: it is sent again, or
// its message is given up.
func (o *outbound) lose(i int) {
	c := &o.flight[i]
	if c.lost || c.acked {
		return
	}
	c.lost = true
	o.inFlight -= c.to - c.from
	o.lost++
	if m := c.m; m.rel.Limited && o.forwardTSN && c.times > m.rel.Retransmissions {
		o.drop(i)
	}
}

// drop gives the message of chunk i up, with all its chunks, which are side by side:
// messages are not mixed.
func (o *outbound) drop(i int) {
	m := o.flight[i].m
	if m.dropped {
		return
	}
	m.dropped = true
	if m.at < len(m.b) { // then its stream is in turn
		m.stream.buffered -= len(m.b) - m.at
		o.finished(m.stream)
	}
	for i > 0 && o.flight[i-1].m == m {
		i--
	}
	for ; i < len(o.flight) && o.flight[i].m == m; i++ {
		c := &o.flight[i]
		switch {
		case c.acked:
		case c.lost:
			o.lost--
		default:
			c.lost = true
			o.inFlight -= c.to - c.from
		}
	}
}

// timeout is the end of T3-rtx, RFC 9260 §6.3.3.
func (a *Association) timeout(now time.Time) {
	o := &a.sender
	o.t3 = time.Time{}
	if len(o.flight) == 0 {
		return
	}
	if o.errors++; o.errors > maxErrors {
		a.fail(ErrTimeout)
		return
	}
	o.rto = min(2*o.rto, maxRTO)
	o.threshold, o.cwnd, o.partial = max(o.cwnd/2, minThreshold), maxPacket, 0
	o.recovering = false
	for i := range o.flight {
		o.lose(i)
	}
	o.forward = o.gaveUp() > 0
	o.t3 = now.Add(o.rto)
}

// gaveUp is how many chunks from the first not acknowledged on need no
// acknowledgement any more, because of messages given up.
func (o *outbound) gaveUp() (n int) {
	if !o.forwardTSN {
		return 0
	}
	any := false
	for n < len(o.flight) && (o.flight[n].acked || o.flight[n].m.dropped) {
		any = any || !o.flight[n].acked
		n++
	}
	if !any {
		return 0
	}
	return n
}

// sendForward tells the other side what not to wait for, RFC 3758 §3.2.
func (a *Association) sendForward() {
	o := &a.sender
	n := o.gaveUp()
	if n == 0 {
		return
	}
	last := map[uint16]uint16{}
	for i := range o.flight[:n] {
		if m := o.flight[i].m; m.dropped && !m.rel.Unordered {
			last[m.stream.id] = m.ssn
		}
	}
	b := binary.BigEndian.AppendUint32(nil, o.acked+uint32(n))
	for id, ssn := range last {
		if len(b) > maxPacket-packetHeader-chunkHeader-4 {
			break
		}
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, ssn)
	}
	a.out.chunk(chunkForwardTSN, 0, b)
}
