package rtpstats

import "time"

// Rate measures bits per second over whole seconds. The zero value is ready.
type Rate struct {
	start time.Time
	bytes uint64
	bps   uint64
}

// Add notes n bytes at now.
func (r *Rate) Add(n int, now time.Time) {
	if r.start.IsZero() {
		r.start = now
	}
	r.roll(now)
	r.bytes += uint64(n)
}

// BitsPerSecond returns the rate of the last full second before now.
func (r *Rate) BitsPerSecond(now time.Time) uint64 {
	if r.start.IsZero() {
		return 0
	}
	r.roll(now)
	return r.bps
}

func (r *Rate) roll(now time.Time) {
	d := now.Sub(r.start)
	if d < time.Second {
		return
	}
	r.bps = uint64(float64(r.bytes) * 8 / d.Seconds())
	r.start, r.bytes = now, 0
}
