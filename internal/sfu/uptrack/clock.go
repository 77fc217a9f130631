package uptrack

import (
	"sync"
	"time"
)

// Clock maps one publisher's wall clock, as told by sender reports, to ours.
// The zero value is ready; share one among the tracks of a publisher, so that
// what was captured together is told to subscribers as simultaneous.
type Clock struct {
	steady bool // immutable

	mu      sync.Mutex
	buckets [2]bucket     // current and previous
	shown   time.Duration // of a steady clock: the offset at that moment
	at      time.Time     // zero: it was not asked yet
}

// SteadyClock returns a Clock that follows reports by no more than a thousandth of
// the time that passes, once it was asked. It is for reports that are made here: those
// do not come late by what a network does, but by what their source does, and receivers
// take a line through several of ours, so that a leap would be with them for long.
func SteadyClock() *Clock { return &Clock{steady: true} }

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
	if c.steady {
		offset = c.follow(offset, ours)
	}
	return ours.Add(-offset), true
}

// follow moves the offset that is shown towards one, and returns it; mu is held.
func (c *Clock) follow(offset time.Duration, ours time.Time) time.Duration {
	passed := ours.Sub(c.at)
	switch {
	case c.at.IsZero(), (offset - c.shown).Abs() > clockStep:
		c.shown, c.at = offset, ours
	case passed > 0:
		most := passed / steadiness
		c.shown += max(-most, min(offset-c.shown, most))
		c.at = ours
	}
	return c.shown
}

// steadiness is how many times as slow as time a steady clock follows.
const steadiness = 1000
