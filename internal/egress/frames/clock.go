package frames

import "time"

const (
	// slew is the most that the clock is corrected by, as a part of what passes.
	slew = 0.02
	// maxSlew is what is too far away to be crept up to: somebody set a clock.
	maxSlew = 2 * time.Second
	// maxCreep is how far forward the clock is crept up to. What is told to be captured so
	// much too early may be too late to be heard, which creeping would take long to end.
	maxCreep = 250 * time.Millisecond
)

// clock says when something was captured, of its time since the beginning of the
// track.
type clock struct {
	base     time.Time     // when the track began, as it is told now
	want     time.Time     // the same, by the last report
	last     time.Duration // of what was told last
	said     time.Time     // of that
	told     bool
	reported bool
	early    *report // one of before the first packet
	arrived  time.Time
	came     fastest
	of       *publisher // whose track it is
}

// maxLate is how long something may have been under way: a recording begins with the last
// key frame, which may be some seconds old.
const maxLate = time.Minute

// apart is how far what follows is from what was told last, if it would be before it.
const apart = time.Millisecond

type report struct {
	at        time.Time
	timestamp uint32
}

// begin sets the clock by the arrival of the first packet.
func (c *clock) begin(arrived time.Time) { c.base, c.want = arrived, arrived }

// arrive says when a packet of that time came. Nothing arrives before it was captured,
// so without a report that which came with the least delay tells best. The first may
// have waited for long: a recording begins with the last key frame, and what has
// followed it comes at once.
func (c *clock) arrive(arrived time.Time, passed time.Duration) {
	if arrived.Sub(c.arrived) > lull {
		c.came = fastest{}
	}
	c.arrived = arrived
	base := arrived.Add(-passed)
	c.came.add(arrived, base)
	if c.reported {
		c.of.look(c)
		return
	}
	if base.Before(c.base) {
		c.base, c.want = base, base
	} else if least := c.came.least(); c.came.settled() && least.Sub(c.want) > maxBehind {
		c.want = least
	}
}

// report says when that much had passed since the beginning.
func (c *clock) report(at time.Time, passed time.Duration) {
	c.want, c.reported = at.Add(-passed), true
	if !c.came.this.IsZero() {
		c.of.look(c)
	}
	if off := c.off(); !c.told || off > maxSlew || off < -maxSlew {
		c.base = c.base.Add(off)
	}
}

// off is how much later the track began than it is told now.
func (c *clock) off() time.Duration {
	off := c.want.Sub(c.base)
	if c.reported {
		off -= c.of.shift
	}
	return off
}

// at is when something was captured. What nobody can have captured then, as it came
// before, or long after, was captured when it came: such a time is of a publisher that
// jumps, and hours of nothing would be recorded for it.
func (c *clock) at(passed time.Duration) time.Time {
	off := c.off()
	if c.told && off <= maxCreep {
		room := time.Duration(float64(max(passed-c.last, 0)) * slew)
		off = min(max(off, -room), room)
	}
	c.base = c.base.Add(off)
	now := c.base.Add(passed)
	if late := c.arrived.Sub(now); late < -maxSlew || late > maxLate {
		return c.arrived
	}
	if c.told && passed > c.last && !now.After(c.said) && c.said.Sub(now) < maxSlew {
		now = c.said.Add(apart)
	}
	if !c.told || passed > c.last {
		c.last, c.said = passed, now
	}
	c.told = true
	return now
}
