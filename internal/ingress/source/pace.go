package source

import "time"

// A pacer says when what was fetched in bursts is to go: as far apart as it is to be
// shown. What comes late moves everything that follows, and a live source that comes
// faster afterwards is caught up with.
type pacer struct {
	live  bool
	begun bool
	zero  time.Time     // when the source's clock is at 0
	last  time.Duration // of a tag, on it

	// least is how much was there beyond what was due, at least, since a moment.
	least time.Duration
	since time.Time
}

const (
	// surplusFor is how long a live source must have been ahead for it to be certain
	// that it is not only a burst: more than two segments of HLS.
	surplusFor = 15 * time.Second
	// surplus is how far ahead that is, and kept what is left of it.
	surplus = 1500 * time.Millisecond
	kept    = 500 * time.Millisecond
	// gap is more than a source's clock goes on from one tag to the next: nobody
	// waits for so long, and what comes then follows at once. Slide shows are slow.
	gap = 10 * time.Second
)

// wait returns how long a tag has to wait that is due at that time on the source's
// clock.
func (p *pacer) wait(at time.Duration, now time.Time) time.Duration {
	jumped := at-p.last > gap
	p.last = at
	if !p.begun || jumped {
		p.begun, p.zero = true, now.Add(-at)
		p.reset(now)
	}
	d := p.zero.Add(at).Sub(now)
	if d < 0 { // it was late
		p.zero = now.Add(-at)
		return 0
	}
	return d
}

func (p *pacer) reset(now time.Time) { p.least, p.since = 1<<62, now }

// skip returns how much of what waits should be left out, given how much that is.
func (p *pacer) skip(ahead time.Duration, now time.Time) time.Duration {
	if !p.live || !p.begun {
		return 0
	}
	p.least = min(p.least, ahead)
	if now.Sub(p.since) < surplusFor {
		return 0
	}
	least := p.least
	p.reset(now)
	if least < surplus {
		return 0
	}
	return least - kept
}

// forget has the next tag be due at once.
func (p *pacer) forget() { p.begun = false }
