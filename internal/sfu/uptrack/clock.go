package uptrack

import (
	"sync"
	"time"
)

// Clock maps one publisher's wall clock, as told by sender reports, to ours.
// The zero value is ready; share one among the tracks of a publisher, so that
// what was captured together is told to subscribers as simultaneous.
type Clock struct {
	mu      sync.Mutex
	buckets [2]bucket // current and previous
}

// bucket holds the least of (our arrival time - their sending time) over a
// while. The least has the least delay in it.
type bucket struct {
	since  time.Time
	offset time.Duration
	valid  bool
}

const (
	// clockBucket bounds how long drift goes unnoticed, to twice that.
	clockBucket = 15 * time.Second
	// clockStep is a change that is no delay but a set clock.
	clockStep = 5 * time.Second
)

// Observe notes that a sender report of the publisher's time theirs arrived
// at ours.
func (c *Clock) Observe(theirs, ours time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset := ours.Sub(theirs)
	cur := &c.buckets[0]
	switch {
	case !cur.valid || (offset-cur.offset).Abs() > clockStep:
		c.buckets = [2]bucket{{since: ours, offset: offset, valid: true}}
	case ours.Sub(cur.since) >= clockBucket:
		c.buckets[1] = *cur
		*cur = bucket{since: ours, offset: offset, valid: true}
	default:
		cur.offset = min(cur.offset, offset)
	}
}

// Theirs returns the publisher's time at ours. It is not ok before the first
// report.
func (c *Clock) Theirs(ours time.Time) (theirs time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur, prev := c.buckets[0], c.buckets[1]
	if !cur.valid {
		return time.Time{}, false
	}
	offset := cur.offset
	if prev.valid {
		offset = min(offset, prev.offset)
	}
	return ours.Add(-offset), true
}
