package audiolevel

import (
	"math"
	"time"
)

// What clients' speaker indicators are tuned to.
const (
	window    = 400 * time.Millisecond
	stale     = 2 * window
	threshold = 35 // -dBov; a frame at most this quiet is active
	// minActive is how much of a window must be active.
	minActive = window * 40 / 100
	// smoothing is 2/(n+1) for an average over n=2 windows.
	smoothing = 2.0 / 3
	silence   = 127
)

// Detector watches one track. The zero value is ready.
type Detector struct {
	last     time.Time // last observation
	observed time.Duration
	active   time.Duration
	loudest  uint8 // of the active frames, -dBov
	level    float64
}

// Observe notes a frame of the given duration whose level is -level dBov: 0
// is loudest, 127 silence.
func (d *Detector) Observe(level uint8, duration time.Duration, now time.Time) {
	if now.Sub(d.last) > stale {
		*d = Detector{loudest: silence}
	}
	d.last = now
	d.observed += duration
	if level <= threshold {
		d.active += duration
		d.loudest = min(d.loudest, level)
	}
	if d.observed < window {
		return
	}
	var level1 float64
	if d.active >= minActive {
		// Loudness of the loudest frame, weighted by how much was active.
		db := float64(d.loudest) - 20*math.Log10(float64(d.active)/float64(d.observed))
		level1 = linear(db)
	}
	d.level += (level1 - d.level) * smoothing
	d.observed, d.active, d.loudest = 0, 0, silence
}

// Level returns the loudness from 0 to 1 and whether it counts as speaking.
func (d *Detector) Level(now time.Time) (level float64, speaking bool) {
	if d.last.IsZero() || now.Sub(d.last) > stale {
		return 0, false
	}
	return d.level, d.level >= linear(threshold)
}

func linear(db float64) float64 { return math.Pow(10, -db/20) }
