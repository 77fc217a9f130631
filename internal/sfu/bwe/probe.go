package bwe

import "time"

const (
	// probeLength is how long padding is sent, and probeLeast the rate of it that
	// is always tried if so much is needed: few enough packets to do no harm.
	probeLength = 150 * time.Millisecond
	probeLeast  = 200_000 // bits per second
	// probeFewest is the rate below which there would be too few packets to tell,
	// however little is needed.
	probeFewest = 90_000 // bits per second
	// probeGrowth bounds a probe by the estimate there is.
	probeGrowth = 3
	// probeAhead is how much more than needed is tried.
	probeAhead = 1.2
	// probePatience is how long reports of a probe are waited for.
	probePatience = time.Second
	probePackets  = 5 // at least

	probePause    = 700 * time.Millisecond // after one that found a limit, growing
	maxProbePause = 3 * time.Second
	// A probe of the least rate costs next to nothing, and often nothing else
	// is sent.
	leastProbePause = time.Second
)

// prober is in one of these states:
//
//	resting   until next
//	sending   padding goes along with the media until begun+probeLength
//	waiting   for reports of what was sent
type prober struct {
	next  time.Time
	pause time.Duration

	sending, waiting bool
	begun, ended     time.Time
	rate             uint64
	first, end       uint16 // the packets of the probe, once it is sent
	sentBefore       uint64 // bytes

	packets, missed     int
	bytes               int
	head                int // bytes of the first
	firstSent, lastSent time.Duration
	firstAt, lastAt     time.Duration
}

// begin starts a probe for a total of rate bits per second.
func (p *prober) begin(h *History, rate uint64, now time.Time) {
	first, bytes := h.Next()
	*p = prober{
		pause: p.pause, sending: true, begun: now, rate: rate,
		first: first, end: first, sentBefore: bytes,
	}
}

// due returns how many bytes of padding are missing, and whether the probe
// goes on.
func (p *prober) due(h *History, now time.Time) (bytes int, more bool) {
	if !p.sending {
		return 0, false
	}
	seq, sent := h.Next()
	p.end = seq
	elapsed := now.Sub(p.begun)
	if elapsed >= probeLength {
		p.sending, p.waiting, p.ended = false, true, now
		return 0, false
	}
	// The first packets go at once; the rate is counted between packets.
	want := float64(p.rate) / 8 * (elapsed + 10*time.Millisecond).Seconds()
	return max(int(want)-int(sent-p.sentBefore), 0), true
}

// covers reports whether a packet went out while the probe did.
func (p *prober) covers(seq uint16) bool {
	return p.sending && int16(seq-p.first) >= 0 ||
		p.waiting && int16(seq-p.first) >= 0 && int16(seq-p.end) < 0
}

// miss notes a packet that is reported missing.
func (p *prober) miss(seq uint16) {
	if p.covers(seq) {
		p.missed++
	}
}

// add notes a packet that arrived; late, that it was reported missing.
func (p *prober) add(a *Arrival, size int, sent time.Duration, late bool) {
	if !p.covers(a.Seq) {
		return
	}
	if late {
		p.missed--
	}
	if p.packets == 0 {
		p.firstSent, p.firstAt, p.head = sent, a.At, size
		p.lastSent, p.lastAt = sent, a.At
	}
	p.packets++
	p.bytes += size
	p.lastSent, p.lastAt = max(p.lastSent, sent), max(p.lastAt, a.At)
}

// result returns the rate that got through, once. passed says that it is no
// less than what was sent. Packets may be late at random by late: that is not for
// want of room.
func (p *prober) result(reported uint16, late time.Duration, now time.Time) (rate uint64, passed, ok bool) {
	if !p.waiting {
		return 0, false, false
	}
	complete := int16(reported-p.end) >= -1 && now.Sub(p.ended) >= late
	if !complete && now.Sub(p.ended) < probePatience {
		return 0, false, false
	}
	p.waiting = false
	sending, receiving := p.lastSent-p.firstSent, p.lastAt-p.firstAt-late
	if p.packets < probePackets || p.missed > p.packets/2 || sending < probeLength/3 {
		return 0, false, true
	}
	bits := float64(8 * (p.bytes - p.head))
	rate = uint64(bits / max(sending, receiving).Seconds())
	return rate, receiving < sending*6/5 && p.missed <= p.packets/5, true
}

// rest waits for longer each time.
func (p *prober) rest(now time.Time) {
	p.sending, p.waiting = false, false
	longest := maxProbePause
	if p.rate <= probeLeast {
		longest = leastProbePause
	}
	p.pause = min(max(p.pause*3/2, probePause), longest)
	p.next = now.Add(p.pause)
}
