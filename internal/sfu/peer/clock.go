package peer

import "time"

// clock tells the time without its jumps: the wall clock's when the process came
// up, and what has passed since. Sender reports tell subscribers when things
// happened, and round trips follow from what they send back of that: neither may
// move because somebody sets the machine's clock.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now()} }

// now is of both the wall clock and the monotonic one of Go's times, which agree.
func (c clock) now() time.Time { return c.began.Add(time.Since(c.began)) }
