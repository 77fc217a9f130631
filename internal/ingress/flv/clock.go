package flv

import "time"

// A Clock makes times of tags ones that do not run over. They have 32 bits of
// milliseconds, which is 49 days, and of some writers, as ffmpeg is, 31.
type Clock struct {
	begun bool
	last  int64 // milliseconds
}

// near is how far apart tags that follow one another are at most for it to be certain
// that the clock has run over at 31 bits, and not jumped, in milliseconds.
const near = 10_000

// At returns when a tag is, that comes after those before: tags of pictures and of
// sound may be somewhat out of order.
func (c *Clock) At(ms uint32) time.Duration {
	if !c.begun {
		c.begun, c.last = true, int64(ms)
	}
	step := ms - uint32(c.last)
	d := int64(int32(step))
	if short := int64(int32(step<<1) >> 1); d != short && max(short, -short) < near {
		d = short
	}
	c.last += d
	return time.Duration(c.last) * time.Millisecond
}
