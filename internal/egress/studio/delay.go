package studio

import "time"

// delay is how late pictures are drawn. It grows at once with what is needed, and shrinks
// by a tenth of the time that passes: if it shrank at once, what is on time would be late
// from one moment to the next, and that many pictures be drawn at once, or be left out
// as if the machine were too slow.
type delay struct{ now time.Duration }

// atLeast has it be at least as much as is needed, and returns it.
func (d *delay) atLeast(needed time.Duration) time.Duration {
	d.now = max(d.now, needed)
	return d.now
}

// shrink has it shrink for a picture that is so late; from one to the next it is a step.
// Who is late does not hurry on top of that.
func (d *delay) shrink(late, step time.Duration) {
	if late < step {
		d.now = max(d.now-step/10, 0)
	}
}
