package bwe

import (
	"math"
	"time"
)

const (
	// burstGap separates packets that were sent together: what the first one
	// of a burst waits for is the queue it finds, what the others wait for is
	// each other.
	burstGap = 5 * time.Millisecond
	// maxBurst is how long packets count as one burst if there is no gap.
	maxBurst = 20 * time.Millisecond
	// standing is a delay beyond the least one that says there is a queue, if
	// it lasts; deep one that need not last as long.
	standing = 50 * time.Millisecond
	deep     = 250 * time.Millisecond
	// restless is how many times the path's own unrest a queue must be beyond
	// that, and calm how fast unrest is forgotten, by burst.
	restless = 3
	calm     = 1.0 / 16
	// patience is how long a queue may stand, in time and in bursts.
	patience       = 400 * time.Millisecond
	patienceDeep   = 150 * time.Millisecond
	patienceBursts = 4
	// draining is how fast, in seconds of delay per second, a queue shrinks
	// that needs no help.
	draining = -0.05
	// baseLife is how long the least delay counts, in two halves, so that a
	// route that became longer is not a queue for ever.
	baseLife = 20 * time.Second
	// maxRun is how long bursts are judged together.
	maxRun = time.Second
)

// queue watches the delay of bursts for a queue that stands.
type queue struct {
	base, basePrev time.Duration // least delay of this half-life and of the one before
	baseSince      time.Time
	known          bool

	begun    bool
	lastSent time.Duration // of the latest packet
	burst    time.Duration // sending time of the burst's first packet

	since  time.Duration // sending time of the run's first burst; a run is bursts that all found a queue
	bursts int
	last   time.Duration // sending time of the latest burst
	delay  time.Duration // that it found
	before time.Duration // that the one before it found
	unrest time.Duration // how much delays go up and down, without what a queue grows
	fit    line
	low    time.Duration // least delay in the run
}

// add notes a packet by its sending and arrival times, in the order of
// sending. It begins a burst if the one before was sent a while ago.
func (q *queue) add(sent, arrived time.Duration, now time.Time) {
	first := !q.begun || sent-q.lastSent > burstGap || sent-q.burst > maxBurst
	if first {
		q.burst = sent
	}
	q.begun = true
	q.lastSent = max(q.lastSent, sent)
	oneWay := arrived - sent
	q.rebase(oneWay, now)
	if !first {
		return
	}
	delay := oneWay - min(q.base, q.basePrev)
	bend := float64(delay-q.delay-(q.delay-q.before)) / 2 // nothing, of a queue that grows or shrinks evenly
	q.unrest += time.Duration(calm * (math.Abs(bend) - float64(q.unrest)))
	q.before, q.delay = q.delay, delay
	q.last = sent
	if !q.found() {
		q.reset()
		return
	}
	if q.bursts > 0 && sent-q.since > maxRun {
		q.reset()
	}
	if q.bursts == 0 {
		q.since, q.low = sent, q.delay
	}
	q.low = min(q.low, q.delay)
	q.bursts++
	q.fit.add((sent - q.since).Seconds(), q.delay.Seconds())
}

// rebase keeps the least delay of the last while.
func (q *queue) rebase(oneWay time.Duration, now time.Time) {
	switch {
	case !q.known:
		q.base, q.basePrev, q.baseSince, q.known = oneWay, oneWay, now, true
	case now.Sub(q.baseSince) >= baseLife/2:
		q.basePrev, q.base, q.baseSince = q.base, oneWay, now
	default:
		q.base = min(q.base, oneWay)
	}
}

// accept takes the delay that there is for that of the path.
func (q *queue) accept(now time.Time) {
	floor := min(q.base, q.basePrev) + q.low
	q.base, q.basePrev, q.baseSince = floor, floor, now
	q.reset()
}

// found reports whether the latest burst found a queue: it was later than packets
// are on this path at random.
func (q *queue) found() bool { return q.delay >= standing+restless*q.unrest }

// reset ends the run.
func (q *queue) reset() {
	q.bursts, q.fit = 0, line{}
}

// lasted is how long the run has been going on.
func (q *queue) lasted() time.Duration { return q.last - q.since }

// stands reports whether there has been a queue for too long.
func (q *queue) stands() bool {
	if q.bursts < patienceBursts {
		return false
	}
	lasted := q.lasted()
	if lasted < patienceDeep || lasted < patience && q.low < deep {
		return false
	}
	return q.fit.slope() > draining
}

// line fits a straight line through points, by least squares.
type line struct{ n, x, y, xx, xy float64 }

func (l *line) add(x, y float64) {
	l.n++
	l.x += x
	l.y += y
	l.xx += x * x
	l.xy += x * y
}

func (l *line) slope() float64 {
	d := l.n*l.xx - l.x*l.x
	if d <= 0 {
		return 0
	}
	return (l.n*l.xy - l.x*l.y) / d
}
