package sctp

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

const (
	ackDelay = 200 * time.Millisecond // RFC 9260 §6.2

	maxGaps     = 128  // that we remember, and tell
	maxIncoming = 256  // streams
	maxParts    = 2048 // of a message
	maxWaiting  = 4096 // parts that wait, but for what is due
	partCost    = 64   // bytes, of remembering a part beside what is in it
)

// inbound is what we receive.
type inbound struct {
	opts Options // immutable

	cum     uint32 // highest TSN with nothing missing before it
	gaps    []span // received beyond it, in order, never touching
	streams map[uint16]*incoming
	held    int // bytes: parts that wait for others, and messages not consumed
	waiting int // those parts
	told    int // the window as last told
	ackAt   time.Time
	ackNow  bool
	unacked int  // packets since the last SACK
	hurry   bool // the packet at hand wants an answer at once
}

// span is a range of TSNs, both ends included.
type span struct{ first, last uint32 }

// incoming is a stream.
type incoming struct {
	next  uint16 // sequence number of the message due
	parts []part // of ordered messages, by message, then TSN
	loose []part // of unordered messages, by TSN
}

// part is a fragment that waits for others, or for messages before its own.
type part struct {
	tsn   uint32
	ssn   uint16
	flags uint8
	kind  uint32
	b     []byte
}

func (p part) whole() bool { return p.flags&(flagBegin|flagEnd) == flagBegin|flagEnd }

func (in *inbound) init(o Options) {
	in.opts, in.told = o, o.Window
	in.streams = map[uint16]*incoming{}
}

func (in *inbound) clear() {
	in.gaps, in.streams, in.ackAt, in.ackNow = nil, nil, time.Time{}, false
}

// window is what the other side may send beyond what we hold.
func (in *inbound) window() int { return max(0, in.opts.Window-in.held) }

// note remembers a TSN. It reports false for one that was there, and for one that
// is further ahead than we care to remember.
func (in *inbound) note(tsn uint32) (isNew bool) {
	if !before(in.cum, tsn) {
		return false
	}
	i, inside := slices.BinarySearchFunc(in.gaps, tsn, func(s span, tsn uint32) int {
		switch {
		case before(s.last, tsn):
			return -1
		case before(tsn, s.first):
			return 1
		}
		return 0
	})
	if inside {
		return false
	}
	switch {
	case i > 0 && in.gaps[i-1].last+1 == tsn:
		in.gaps[i-1].last = tsn
		if i < len(in.gaps) && in.gaps[i].first == tsn+1 {
			in.gaps[i-1].last = in.gaps[i].last
			in.gaps = slices.Delete(in.gaps, i, i+1)
		}
	case i < len(in.gaps) && in.gaps[i].first == tsn+1:
		in.gaps[i].first = tsn
	case tsn == in.cum+1 && len(in.gaps) == 0:
		in.cum = tsn
		return true
	case len(in.gaps) >= maxGaps || tsn-in.cum > 1<<15:
		return false
	default:
		in.gaps = slices.Insert(in.gaps, i, span{tsn, tsn})
	}
	in.advance()
	return true
}

// advance moves the cumulative TSN over what was received.
func (in *inbound) advance() {
	for len(in.gaps) > 0 && !before(in.cum+1, in.gaps[0].first) {
		in.cum = later(in.cum, in.gaps[0].last)
		in.gaps = slices.Delete(in.gaps, 0, 1)
	}
}

// handleData takes a DATA chunk, RFC 9260 §3.3.1.
func (a *Association) handleData(c chunk) {
	in := &a.in
	if len(c.value) <= dataHeader-chunkHeader {
		a.fail(ErrPacket) // no user data, RFC 9260 §6.2
		return
	}
	b := c.value[dataHeader-chunkHeader:]
	p := part{
		tsn: binary.BigEndian.Uint32(c.value), ssn: binary.BigEndian.Uint16(c.value[6:]),
		flags: c.flags, kind: binary.BigEndian.Uint32(c.value[8:]),
	}
	in.hurry = in.hurry || c.flags&flagImmediate != 0
	// What was missing is taken in spite of a window that is full, because what came
	// behind it fills the window.
	due := p.tsn == in.cum+1
	if in.held > in.opts.Window && (!due || len(in.gaps) == 0 || in.held > 2*in.opts.Window) || in.waiting >= maxWaiting && !due {
		in.hurry = true
		return
	}
	if !in.note(p.tsn) {
		in.hurry = true
		return
	}
	id := binary.BigEndian.Uint16(c.value[4:])
	s := in.streams[id]
	if s == nil {
		if len(in.streams) >= maxIncoming {
			return
		}
		s = &incoming{}
		in.streams[id] = s
	}
	p.b = append([]byte(nil), b...)
	if err := in.take(id, s, p); err != nil {
		a.fail(err)
		return
	}
	a.maybeReset()
}

// take puts a part where it belongs, and gives out what is complete.
func (in *inbound) take(id uint16, s *incoming, p part) error {
	if p.flags&flagUnordered != 0 {
		if p.whole() {
			in.give(id, p.kind, p.b)
			return nil
		}
		i := in.insert(&s.loose, p)
		return in.assembleLoose(id, s, i)
	}
	if before16(p.ssn, s.next) {
		return nil // its message was given up
	}
	if p.whole() && p.ssn == s.next {
		s.next++
		in.give(id, p.kind, p.b)
	} else {
		in.insert(&s.parts, p)
	}
	return in.drain(id, s)
}

func (in *inbound) insert(parts *[]part, p part) int {
	i, _ := slices.BinarySearchFunc(*parts, p, comparePart)
	*parts = slices.Insert(*parts, i, p)
	in.held += len(p.b) + partCost
	in.waiting++
	return i
}

// comparePart orders parts by TSN, which orders messages too.
func comparePart(a, b part) int { return cmp.Compare(int32(a.tsn-b.tsn), 0) }

// remove takes parts that are complete, or given up, off.
func (in *inbound) remove(parts *[]part, from, to int) {
	for _, p := range (*parts)[from:to] {
		in.held -= len(p.b) + partCost
	}
	in.waiting -= to - from
	if *parts = slices.Delete(*parts, from, to); len(*parts) == 0 {
		*parts = nil
	}
}

// run returns the end of the message that begins at parts[from], and whether it
// is complete.
func (in *inbound) run(parts []part, from int) (to int, complete bool, err error) {
	size := 0
	for to = from; to < len(parts); to++ {
		if to > from && (parts[to].tsn != parts[to-1].tsn+1 || parts[to].flags&flagBegin != 0) {
			return to, false, nil
		}
		if size += len(parts[to].b); size > in.opts.MaxMessage || to-from >= maxParts {
			return to, false, ErrMessage
		}
		if parts[to].flags&flagEnd != 0 {
			return to + 1, true, nil
		}
	}
	return to, false, nil
}

// assembleLoose gives out the unordered message that part i belongs to, if it is
// complete.
func (in *inbound) assembleLoose(id uint16, s *incoming, i int) error {
	from := i
	for s.loose[from].flags&flagBegin == 0 {
		if from == 0 || s.loose[from-1].tsn+1 != s.loose[from].tsn || s.loose[from-1].flags&flagEnd != 0 {
			return nil
		}
		if from--; i-from > maxParts {
			return ErrMessage
		}
	}
	to, complete, err := in.run(s.loose, from)
	if err != nil || !complete {
		return err
	}
	in.join(id, s.loose[from:to])
	in.remove(&s.loose, from, to)
	return nil
}

// drain gives out the ordered messages that are due, and takes them off all at once:
// there may be many that have waited for one.
func (in *inbound) drain(id uint16, s *incoming) (err error) {
	from := 0
	for from < len(s.parts) && s.parts[from].ssn == s.next && s.parts[from].flags&flagBegin != 0 {
		var to int
		var complete bool
		if to, complete, err = in.run(s.parts, from); err != nil || !complete {
			break
		}
		s.next++
		in.join(id, s.parts[from:to])
		from = to
	}
	in.remove(&s.parts, 0, from)
	return err
}

// join gives out the message of these parts.
func (in *inbound) join(id uint16, parts []part) {
	size := 0
	for _, p := range parts {
		size += len(p.b)
	}
	b := make([]byte, 0, size)
	for _, p := range parts {
		b = append(b, p.b...)
	}
	in.give(id, parts[0].kind, b)
}

func (in *inbound) give(id uint16, kind uint32, b []byte) {
	in.held += len(b) + partCost
	in.opts.Message(Message{Stream: id, Kind: kind, Payload: b})
}

// Consumed says that the receiver is done with a message, so that others may come
// in its place.
func (a *Association) Consumed(m Message, now time.Time) {
	a.in.held -= len(m.Payload) + partCost
	if a.state == established && a.in.told < a.opts.Window/4 && a.in.window() > a.opts.Window/2 {
		a.in.ackNow = true
		a.pump(now)
	}
}

// arrived decides when to acknowledge a packet with data: every second one at
// once, and when something is missing (RFC 9260 §6.2, §6.7).
func (in *inbound) arrived(now time.Time) {
	in.unacked++
	switch {
	case in.hurry || in.unacked >= 2 || len(in.gaps) > 0:
		in.ackNow = true
	case in.ackAt.IsZero():
		in.ackAt = now.Add(ackDelay)
	}
	in.hurry = false
}

// Acknowledge sends at once what would wait, for 200 ms or until there is more to
// acknowledge. It is for who expects no more, and is spared a timer.
func (a *Association) Acknowledge(now time.Time) {
	if !a.in.ackAt.IsZero() {
		a.in.ackNow = true
		a.pump(now)
	}
}

func (a *Association) sendSack() {
	in := &a.in
	in.ackNow, in.ackAt, in.unacked, in.told = false, time.Time{}, 0, in.window()
	b := make([]byte, 0, 12+4*len(in.gaps))
	b = binary.BigEndian.AppendUint32(b, in.cum)
	b = binary.BigEndian.AppendUint32(b, uint32(in.told))
	b = append(b, 0, 0, 0, 0) // how many gaps; and no duplicates, which help nobody
	n := 0
	for _, g := range in.gaps {
		if g.last-in.cum > 0xffff {
			break
		}
		b = binary.BigEndian.AppendUint16(b, uint16(g.first-in.cum))
		b = binary.BigEndian.AppendUint16(b, uint16(g.last-in.cum))
		n++
	}
	binary.BigEndian.PutUint16(b[8:], uint16(n))
	a.out.chunk(chunkSack, 0, b)
}

// handleForwardTSN gives up what the other side has given up, RFC 3758 §3.6.
func (a *Association) handleForwardTSN(b []byte) {
	in := &a.in
	if len(b) < 4 {
		return
	}
	tsn := binary.BigEndian.Uint32(b)
	in.ackNow = true
	if !before(in.cum, tsn) || tsn-in.cum > 1<<15 {
		return
	}
	in.cum = tsn
	in.advance()
	for len(in.gaps) > 0 && !before(in.cum, in.gaps[0].last) {
		in.gaps = slices.Delete(in.gaps, 0, 1)
	}
	for b = b[4:]; len(b) >= 4; b = b[4:] {
		s, ssn := in.streams[binary.BigEndian.Uint16(b)], binary.BigEndian.Uint16(b[2:])
		if s == nil || before16(ssn, s.next) {
			continue
		}
		in.skip(binary.BigEndian.Uint16(b), s, ssn)
	}
	for _, s := range in.streams {
		n := 0
		for n < len(s.loose) && !before(tsn, s.loose[n].tsn) {
			n++
		}
		in.remove(&s.loose, 0, n)
	}
	a.maybeReset()
}

// skip gives out what is complete of an ordered stream up to a message, and
// forgets the rest.
func (in *inbound) skip(id uint16, s *incoming, ssn uint16) {
	from := 0
	for from < len(s.parts) && !before16(ssn, s.parts[from].ssn) {
		if s.parts[from].flags&flagBegin != 0 {
			to, complete, err := in.run(s.parts, from)
			if err == nil && complete {
				in.join(id, s.parts[from:to])
				from = to
				continue
			}
		}
		for given := s.parts[from].ssn; from < len(s.parts) && s.parts[from].ssn == given; {
			from++
		}
	}
	in.remove(&s.parts, 0, from)
	s.next = ssn + 1
	_ = in.drain(id, s)
}
