package source

import "time"

// A sourceClock makes one clock of the times of a source's tags. Encoders that start
// anew begin at 0 again, and some jump; what comes then follows what was there.
type sourceClock struct {
	begun bool
	last  time.Duration // of a tag, on our clock
	shift time.Duration // to be added to the source's
	heard time.Time     // when it came
}

// time returns when a tag is, that came at now.
func (c *sourceClock) time(at time.Duration, now time.Time) time.Duration {
	if !c.begun {
		c.begun, c.last, c.heard = true, at, now
		return at
	}
	silent := now.Sub(c.heard)
	c.heard = now
	t := at + c.shift
	// Sound and pictures come interleaved, so time goes back a little, and forward as
	// far as the source was silent.
	if d := t - c.last; d < -jump || d > jump+silent {
		c.shift += c.last + min(silent, jump) - t
		t = at + c.shift
	}
	c.last = max(c.last, t)
	return t
}
