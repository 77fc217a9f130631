package bwe

import "time"

const (
	// paceShare is how much of the estimate what comes in bursts is sent at. The estimate
	// is a little too high at times, and sound goes beside it.
	paceShare = 0.95
	// paceSlack is how late the next packet may be told to go without losing its
	// turn: packets leave at the ticks of a timer.
	paceSlack = 5 * time.Millisecond
	// paceWithin is in what time what waits should be gone: if there is more, it goes
	// faster than the connection carries it. That falls to paceLeast where there has been
	// something all the time: then too much is sent, and waiting is of no use.
	paceWithin = 250 * time.Millisecond
	paceLeast  = 50 * time.Millisecond
	// paceBurst is how long a burst may last before that begins, and paceFalls how
	// much slower than time it falls.
	paceBurst = time.Second
	paceFalls = 8
	// PaceLongest is how long a packet waits at most.
	PaceLongest = 500 * time.Millisecond

	// believed is how long a limit is kept to after the last sign of it. After each such
	// while the pace is doubled, and in the end there is none.
	believed = 20 * time.Second
	doubts   = 3
)

// Pace spreads what is sent in bursts on a connection with a known limit, so
// that a key frame is a queue here and not in a router, where it is lost, or
// the sound waits behind it.
type Pace struct {
	rate uint64    // bits per second
	next time.Time // when the next packet may go
	busy time.Time // since when there has been something
}

// Set changes the rate, in bits per second.
func (p *Pace) Set(rate uint64) { p.rate = rate }

// Begin says that something waits from now on.
func (p *Pace) Begin(now time.Time) { p.busy = now }

// Due reports whether the first of those that wait may go: it has waited since
// then.
func (p *Pace) Due(since, now time.Time) bool {
	return !p.next.After(now) || now.Sub(since) >= PaceLongest
}

// Went notes a packet that goes, of what waits, so many bytes with it.
func (p *Pace) Went(size, waiting int, now time.Time) {
	within := paceWithin
	if long := now.Sub(p.busy) - paceBurst; long > 0 {
		within = max(paceWithin-long/paceFalls, paceLeast)
	}
	rate := max(float64(p.rate), float64(8*waiting)/within.Seconds())
	if from := now.Add(-paceSlack); p.next.Before(from) {
		p.next = from
	}
	p.next = p.next.Add(time.Duration(float64(8*size) / rate * float64(time.Second)))
}

// Pace returns at how many bits per second what comes in bursts should be sent,
// Unlimited if there is no need to spread it.
func (e *Estimator) Pace(now time.Time) uint64 {
	if e.capacity == Unlimited {
		return Unlimited
	}
	doubt := max(now.Sub(e.bounded), 0) / believed
	if doubt >= doubts {
		return Unlimited
	}
	return uint64(paceShare*float64(e.capacity)) << doubt
}
