package delivery

import (
	"context"
	"slices"
	"time"
)

// launch starts as many attempts as the breaker allows, and the trials: each
// follows an attempt that it did allow.
func (ep *endpoint) launch(sending context.Context, now time.Time) {
	for _, l := range ep.trials {
		if l.trial = l.trial && !ep.closing && !ep.held(); l.trial {
			ep.start(sending, l, false, now)
		} else {
			ep.wait(l, l.due, now)
		}
	}
	ep.trials = ep.trials[:0]
	for !ep.closing && !ep.held() && ep.pace.wait(now).IsZero() {
		anyLane, fresh, probe := ep.breaker.slots(now, ep.inFlight)
		var l *lane
		switch {
		case probe:
			l = ep.pickProbe()
		case anyLane > 0:
			l = ep.pick()
		case fresh > 0 && ep.fresh.len() > 0:
			l = ep.fresh.pop()
		}
		if l == nil {
			if !ep.startDead(sending, now) {
				return
			}
			continue
		}
		if probe {
			ep.breaker.probed()
		}
		ep.start(sending, l, probe, now)
	}
}

// held says whether nothing may start, whatever is ready.
func (ep *endpoint) held() bool {
	return ep.disabled != nil || ep.paused || ep.relaying || ep.unusable != ""
}

// pick takes first attempts before retries, but every fourth time a retry, so
// that neither waits for ever.
func (ep *endpoint) pick() *lane {
	switch fresh, retry := ep.fresh.len() > 0, ep.retry.len() > 0; {
	case fresh && retry:
		if ep.picks++; ep.picks%4 == 0 {
			return ep.retry.pop()
		}
		return ep.fresh.pop()
	case fresh:
		return ep.fresh.pop()
	case retry:
		return ep.retry.pop()
	default:
		return nil
	}
}

// pickProbe prefers a lane that nobody has refused yet: a probe with an event
// that is refused for itself would not tell that the receiver is back. Failing
// that, the lane that waited longest goes, whatever its gap.
func (ep *endpoint) pickProbe() *lane {
	switch {
	case ep.fresh.len() > 0:
		return ep.fresh.pop()
	case ep.retry.len() > 0:
		return ep.retry.pop()
	}
	var first *lane
	for _, l := range ep.timers {
		if !l.held && (first == nil || l.due.Before(first.due)) {
			first = l
		}
	}
	if first != nil {
		ep.timers.remove(first)
	}
	return first
}

func (ep *endpoint) start(sending context.Context, l *lane, probe bool, now time.Time) {
	l.flying = true
	h := l.head()
	j := job{lane: l, probe: probe, trial: l.trial && len(l.items) > 1}
	l.trial = j.trial
	gap := ep.owed[l.key]
	j.late = l.outrun
	if j.trial {
		// Accepted, it leaves the head behind: it says so itself.
		gap = append(gap[:len(gap):len(gap)], h.seq)
		h = &l.items[1]
		h.tries++
		j.attempt, j.late = h.tries, false
	} else {
		l.attempts++
		j.attempt = l.attempts
	}
	j.seq, j.prev, j.rec, j.gap = h.seq, h.prev, h.rec, gap[:min(len(gap), maxGap)]
	j.gone = ep.gone
	if ep.layout == inOne && !j.trial {
		j.batch = slices.Clone(l.items[:min(max(l.size, 1), len(l.items))])
	}
	l.ripe = time.Time{}
	ep.fly(sending, j, now)
}

// fly sends a job off. The loop ends only when nothing is in flight, so it waits
// for these goroutines.
func (ep *endpoint) fly(sending context.Context, j job, now time.Time) {
	ep.inFlight++
	ep.pace.sent(now)
	s := ep.sender
	j.generation = ep.generation
	go func() { ep.resultc <- s.send(sending, j) }()
}
