package quality

import "time"

// Window is what was observed of one stream over one interval.
type Window struct {
	// Loss is the share of packets that the link lost, from 0 to 1, whether or
	// not they were sent again.
	Loss float64
	// RTT is the round trip time, Jitter the interarrival jitter (RFC 3550
	// §6.4.1); 0 if unknown.
	RTT, Jitter time.Duration
	// Missed is how many layers less are sent than are wanted, because the
	// connection does not carry them; Paused says that nothing is.
	Missed int
	Paused bool
}

// Level is a score in words.
type Level int

// The levels that SDKs know of a connection that is up.
const (
	Poor Level = iota
	Good
	Excellent
)

const (
	// Best is the score of a stream without loss or delay: the E-model's R of
	// 93.2 on the scale of mean opinion scores.
	Best = 4.41

	// robustness is how well codecs stand random loss, the Bpl of ITU-T G.113:
	// ours conceal and correct, but a video that misses one packet of a frame
	// misses the frame.
	robustness = 10.0

	pausedScore = 2.0

	excellentAbove = 4.1
	goodAbove      = 3.5
)

// Score returns the mean opinion score from 1 to Best after the E-model (ITU-T
// G.107), with the codec itself taken for perfect. Delay counts from mouth to
// ear: half a round trip, and a jitter buffer of twice the jitter.
func Score(w Window) float64 {
	delay := float64(w.RTT/2+2*w.Jitter) / float64(time.Millisecond)
	r := 93.2 - 0.024*delay
	if delay > 177.3 {
		r -= 0.11 * (delay - 177.3)
	}
	percent := 100 * min(max(w.Loss, 0), 1)
	r -= 95 * percent / (percent + robustness)
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return min(max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6), w.ceiling())
}

// ceiling is the best score of what is not sent as it was made: nothing at all
// is as bad as it gets with a connection that is up.
func (w Window) ceiling() float64 {
	switch {
	case w.Paused:
		return pausedScore
	case w.Missed == 1:
		return (excellentAbove + goodAbove) / 2
	case w.Missed > 1:
		return goodAbove - 0.5
	}
	return Best
}

// LevelOf returns the level of a score.
func LevelOf(score float64) Level {
	switch {
	case score > excellentAbove:
		return Excellent
	case score > goodAbove:
		return Good
	default:
		return Poor
	}
}
