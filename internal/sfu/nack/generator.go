package nack

import (
	"slices"
	"time"
)

// Options tune a Generator; the zero value is ready.
type Options struct {
	MaxTries    int           // default 10
	MaxAge      time.Duration // default 1s: then no one waits for the packet
	MinInterval time.Duration // default 20ms, between requests for one packet
	MaxPending  int           // default 512; the oldest go first
}

// initialRTT paces repeats until a round trip was measured.
const initialRTT = 100 * time.Millisecond

// Generator tracks the missing packets of one stream.
type Generator struct {
	opts    Options
	pending []missing     // by seq
	rtt     time.Duration // measured; 0 before
	path    time.Duration // told
}

type missing struct {
	seq   uint64
	since time.Time
	asked time.Time
	tries int
}

// New returns a Generator.
func New(opts Options) *Generator {
	if opts.MaxTries <= 0 {
		opts.MaxTries = 10
	}
	if opts.MaxAge <= 0 {
		opts.MaxAge = time.Second
	}
	if opts.MinInterval <= 0 {
		opts.MinInterval = 20 * time.Millisecond
	}
	if opts.MaxPending <= 0 {
		opts.MaxPending = 512
	}
	return &Generator{opts: opts}
}

// Missing notes that the packets from up to but not including to have not
// come though later ones have.
func (g *Generator) Missing(from, to uint64, now time.Time) {
	if n := len(g.pending); n > 0 && from <= g.pending[n-1].seq {
		from = g.pending[n-1].seq + 1
	}
	if limit := uint64(g.opts.MaxPending); to > limit && from < to-limit {
		from = to - limit
	}
	for seq := from; seq < to; seq++ {
		g.pending = append(g.pending, missing{seq: seq, since: now})
	}
	if over := len(g.pending) - g.opts.MaxPending; over > 0 {
		g.pending = slices.Delete(g.pending, 0, over)
	}
}

// Arrived notes a packet, and reports whether it came because it had been asked
// for. One that comes sooner than an answer can was late, not lost.
func (g *Generator) Arrived(seq uint64, now time.Time) (recovered bool) {
	if len(g.pending) == 0 {
		return false
	}
	i, ok := slices.BinarySearchFunc(g.pending, seq, func(m missing, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return false
	}
	m := g.pending[i]
	g.pending = slices.Delete(g.pending, i, i+1)
	if m.tries == 1 { // after two it is unknown which was answered
		g.observe(now.Sub(m.asked))
	}
	return m.tries > 0 && now.Sub(m.since) >= g.RTT()/2
}

// Abandon gives up the packets before seq: a key frame made them useless.
func (g *Generator) Abandon(before uint64) {
	n := 0
	for n < len(g.pending) && g.pending[n].seq < before {
		n++
	}
	if n > 0 {
		g.pending = slices.Delete(g.pending, 0, n)
	}
}

// Reset forgets what is missing.
func (g *Generator) Reset() { g.pending = g.pending[:0] }

// Pending returns how many packets are waited for.
func (g *Generator) Pending() int { return len(g.pending) }

// SetRTT tells the round trip time of the path, 0 if it is unknown: no answer comes
// sooner. Without it there would be no estimate of a long one, as all is asked for again
// before the answer is there.
func (g *Generator) SetRTT(rtt time.Duration) { g.path = rtt }

// RTT returns the round trip time, 0 if unknown. It may be longer than the path's, as
// who answers takes time, too.
func (g *Generator) RTT() time.Duration { return max(g.rtt, g.path) }

// Poll appends the packets to ask for now to dst.
func (g *Generator) Poll(now time.Time, dst []uint64) []uint64 {
	keep := g.pending[:0]
	for _, m := range g.pending {
		if now.Sub(m.since) >= g.opts.MaxAge {
			continue
		}
		if m.tries == 0 || now.Sub(m.asked) >= g.interval(m.tries) {
			if m.tries >= g.opts.MaxTries {
				continue
			}
			m.tries++
			m.asked = now
			dst = append(dst, m.seq)
		}
		keep = append(keep, m)
	}
	g.pending = keep
	return dst
}

// Next returns when to Poll, zero if nothing is missing.
func (g *Generator) Next() time.Time {
	var next time.Time
	for i := range g.pending {
		m := &g.pending[i]
		due := m.since
		if m.tries > 0 {
			due = m.asked.Add(g.interval(m.tries))
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// interval is the time to wait after a number of tries: a round trip and a
// bit, and longer as it looks more hopeless.
func (g *Generator) interval(tries int) time.Duration {
	rtt := g.rtt
	if rtt == 0 {
		rtt = initialRTT
	}
	rtt = max(rtt, g.path)
	return max(g.opts.MinInterval, rtt+rtt*time.Duration(tries)/4)
}

func (g *Generator) observe(sample time.Duration) {
	sample = max(sample, time.Millisecond)
	if g.rtt == 0 {
		g.rtt = sample
		return
	}
	g.rtt += (sample - g.rtt) / 8
}
