package frames

import "time"

const (
	// maxAhead is how much earlier than it was captured something may come: reports are
	// under way, too, for longer than the fastest packet. It is what Lag waits beyond what
	// it has seen, so nobody else is late for it.
	maxAhead = lagRoom
	// maxBehind is how late the fastest packet of a publisher may be. What is mixed is
	// waited for a little longer than that.
	maxBehind = 200 * time.Millisecond
	// turn is for how long packets are looked at before they are found to be late.
	turn = 5 * time.Second
	// lull is a time without packets in which the clock of a track may have stood still.
	lull = 2 * time.Second
)

// publisher is what the tracks of one have in common: how far their clocks, which are
// in step by its reports, are from when its packets come. It is for the goroutine of
// the tracks.
type publisher struct {
	clocks map[*clock]struct{} // of which something has come of late
	shift  time.Duration       // what all was captured earlier than reports say
}

// look has all be captured when it came, if the fastest that came of any track came
// before it was captured, which nothing does, or all of it is late. Sound and pictures
// are shifted together: one of them may be late for a reason. It is called when
// something has come of a track, or was told of it.
func (p *publisher) look(of *clock) {
	p.clocks[of] = struct{}{}
	least, some, settled := time.Duration(0), false, false
	for c := range p.clocks {
		if of.arrived.Sub(c.arrived) > 2*turn {
			delete(p.clocks, c)
			continue
		}
		if late := c.came.least().Sub(c.want); !some || late < least {
			least, some = late, true
		}
		settled = settled || c.came.settled()
	}
	late := least + p.shift
	switch {
	case !some:
	case least >= -maxAhead && least <= maxBehind:
		p.shift = 0
	case late < -maxAhead, late > maxBehind && settled:
		p.shift = -least
	}
}

// fastest is when a track began by the packets that came with the least delay in this
// turn and in the one before it.
type fastest struct {
	since        time.Time // when this turn began
	this, before time.Time // zero: nothing came
}

// add takes a packet that came at now, which has the track begin at base.
func (f *fastest) add(now, base time.Time) {
	switch passed := now.Sub(f.since); {
	case f.this.IsZero():
		f.since, f.this = now, base
	case passed >= turn:
		f.since, f.this, f.before = now, base, f.this
	case base.Before(f.this):
		f.this = base
	}
}

func (f *fastest) least() time.Time {
	if f.settled() && f.before.Before(f.this) {
		return f.before
	}
	return f.this
}

// settled says whether packets of a whole turn are known.
func (f *fastest) settled() bool { return !f.before.IsZero() }
