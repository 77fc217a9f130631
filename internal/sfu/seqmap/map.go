package seqmap

// spans is how many omissions are remembered for late packets. Padding comes
// in runs, and a run takes one span.
const spans = 32

// Map renumbers a stream whose packets are partly left out. The packets that
// stay are numbered without holes except where the publisher's own packets
// are missing, so the subscriber asks again for what is really lost.
type Map struct {
	highest uint64
	first   int // oldest
	n       int
	ring    [spans]span
}

// span says how numbers from `from` on are mapped, until the next span.
type span struct {
	from    uint64
	offset  uint64 // down = up - offset
	dropped uint64 // as many numbers below from have no down number
}

// Start forgets everything: up becomes down, and nothing below up is mapped.
func (m *Map) Start(up, down uint64) {
	m.ring[0] = span{from: up, offset: up - down}
	m.first, m.n = 0, 1
	m.highest = up - 1
}

// Highest returns the highest number that Forward or Drop was asked about.
func (m *Map) Highest() uint64 { return m.highest }

// Forward returns the number of a packet that stays. ok is false for one that
// was dropped, is from before the start, or is too old to tell.
func (m *Map) Forward(up uint64) (down uint64, ok bool) {
	if m.n == 0 {
		return 0, false
	}
	if up > m.highest {
		m.highest = up
		return up - m.last().offset, true
	}
	for i := m.n - 1; i >= 0; i-- {
		s := &m.ring[(m.first+i)%spans]
		if up >= s.from {
			return up - s.offset, true
		}
		if up >= s.from-s.dropped {
			return 0, false
		}
	}
	return 0, false
}

// Drop leaves a packet out, closing the hole. It reports false if that is
// impossible because later packets have their numbers already.
func (m *Map) Drop(up uint64) bool {
	if m.n == 0 || up <= m.highest {
		return false
	}
	last := m.last()
	if up == m.highest+1 && last.from == up {
		last.from++
		last.offset++
		last.dropped++
		m.highest = up
		return true
	}
	s := span{from: up + 1, offset: last.offset + 1, dropped: 1}
	if m.n < spans {
		m.ring[(m.first+m.n)%spans] = s
		m.n++
	} else {
		m.ring[m.first] = s
		m.first = (m.first + 1) % spans
	}
	m.highest = up
	return true
}

func (m *Map) last() *span { return &m.ring[(m.first+m.n-1)%spans] }
