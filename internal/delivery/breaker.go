package delivery

import (
	"slices"
	"time"
)

// BreakerPolicy says when an endpoint counts as down, and how it is asked
// whether it is back.
type BreakerPolicy struct {
	// Consecutive failures open the breaker: 10.
	Consecutive int
	// Patience opens it too when every attempt failed for that long: 30 s. A
	// lone lane tries rarely, so it would take minutes to fail Consecutive times.
	Patience time.Duration
	// Ratio of at least Samples attempts within 30 s opens it too: 0.7 of 10.
	Ratio   float64
	Samples int
	// Probes are the gaps between the single requests that an open breaker
	// lets through; the last one repeats: 1, 2, 4, 8, 15, 30 s.
	Probes []time.Duration
	// Witnesses is how many different lanes must have failed before lanes
	// not tried yet are held back as well: 3. Until then it may be one
	// room's events that are refused, and not the receiver that is down.
	Witnesses int
	// Relapses failures in a row during slow start open the breaker again: 3.
	Relapses int
}

func (p *BreakerPolicy) setDefaults() {
	if p.Consecutive <= 0 {
		p.Consecutive = 10
	}
	if p.Patience <= 0 {
		p.Patience = 30 * time.Second
	}
	if p.Ratio <= 0 {
		p.Ratio = 0.7
	}
	if p.Samples <= 0 {
		p.Samples = 10
	}
	if len(p.Probes) == 0 {
		p.Probes = []time.Duration{
			1 * time.Second, 2 * time.Second, 4 * time.Second,
			8 * time.Second, 15 * time.Second, 30 * time.Second,
		}
	}
	if p.Witnesses <= 0 {
		p.Witnesses = 3
	}
	if p.Relapses <= 0 {
		p.Relapses = 3
	}
}

// State is how the breaker sees an endpoint.
//
//	Closed      all lanes may go, up to the endpoint's concurrency
//	Open        one probe at a time, at growing gaps        closed or recovering -> open: failures
//	Recovering  slow start: 1, 2, 4, … lanes                open -> recovering: a success
//	            recovering -> closed: the limit is back at the endpoint's concurrency
type State uint8

// The states of an endpoint.
const (
	Closed State = iota
	Open
	Recovering
	// Disabled is an endpoint that answered 410 Gone.
	Disabled
	// Paused is an endpoint that somebody holds back.
	Paused
	// Unusable is a stored endpoint whose API key is gone.
	Unusable
)

// String returns the state's name as statistics and log lines print it.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case Recovering:
		return "recovering"
	case Disabled:
		return "disabled"
	case Paused:
		return "paused"
	case Unusable:
		return "unusable"
	default:
		return "unknown"
	}
}

// breaker decides how many lanes of one endpoint may be in flight. It is
// driven by the endpoint's loop and reads no clock.
type breaker struct {
	policy      BreakerPolicy // immutable
	concurrency int           // immutable

	state     State
	run       int       // failures since the last success
	runSince  time.Time // first of them
	witnesses []laneKey // different lanes among them, up to policy.Witnesses
	samples   sampleWindow

	probing bool      // open: a probe is in flight
	probeAt time.Time // open: when the next one may go
	gap     int       // open: index of the gap after the next failing probe

	limit       int       // recovering: lanes that may be in flight
	pausedUntil time.Time // the receiver asked for quiet (429)
}

func newBreaker(p BreakerPolicy, concurrency int) *breaker {
	return &breaker{policy: p, concurrency: concurrency}
}

// slots returns how many more lanes may start now: of any kind, and of lanes
// whose head was never tried. probe says that the one slot is a probe, for
// which a lane need not wait out its gap.
func (b *breaker) slots(now time.Time, inFlight int) (anyLane, fresh int, probe bool) {
	if now.Before(b.pausedUntil) {
		return 0, 0, false
	}
	switch b.state {
	case Closed:
		return max(b.concurrency-inFlight, 0), 0, false
	case Recovering:
		return max(b.limit-inFlight, 0), 0, false
	default:
		if !b.probing && !now.Before(b.probeAt) {
			return 1, 0, true
		}
		return 0, max(b.policy.Witnesses-len(b.witnesses)-inFlight, 0), false
	}
}

// deadline returns when slots will say more without any result coming in, or
// the zero time.
func (b *breaker) deadline(now time.Time) time.Time {
	if now.Before(b.pausedUntil) {
		return b.pausedUntil
	}
	if b.state == Open && !b.probing && now.Before(b.probeAt) {
		return b.probeAt
	}
	return time.Time{}
}

// probed notes that a probe was started.
func (b *breaker) probed() { b.probing = true }

// success notes an accepted attempt and says whether the endpoint is back
// with it.
func (b *breaker) success(now time.Time, probe bool) (recovered bool) {
	b.run, b.witnesses = 0, b.witnesses[:0]
	b.samples.add(now, true)
	if probe {
		b.probing = false
	}
	switch b.state {
	case Open:
		b.state, b.limit, b.gap = Recovering, 1, 0
		b.samples = sampleWindow{}
		return true
	case Recovering:
		// One more per success doubles the limit with each round trip.
		if b.limit++; b.limit >= b.concurrency {
			b.state = Closed
		}
	}
	return false
}

// failure notes a refused attempt of lane and says whether the breaker opened
// with it. u in [0,1) is for the jitter of the next probe.
func (b *breaker) failure(now time.Time, lane laneKey, probe bool, u float64) (opened bool) {
	if b.run++; b.run == 1 {
		b.runSince = now
	}
	if len(b.witnesses) < b.policy.Witnesses && !slices.Contains(b.witnesses, lane) {
		b.witnesses = append(b.witnesses, lane)
	}
	b.samples.add(now, false)
	switch b.state {
	case Open:
		if probe {
			b.probing = false
			b.gap = min(b.gap+1, len(b.policy.Probes)-1)
			b.probeAt = now.Add(jitter(b.policy.Probes[b.gap], 0.2, u))
		}
		return false
	case Recovering:
		b.limit = max(b.limit/2, 1)
		if b.run < b.policy.Relapses {
			return false
		}
	default:
		total, failed := b.samples.count(now)
		long := b.run >= 2 && now.Sub(b.runSince) >= b.policy.Patience
		many := total >= b.policy.Samples && float64(failed) >= b.policy.Ratio*float64(total)
		if b.run < b.policy.Consecutive && !long && !many {
			return false
		}
	}
	b.state, b.gap, b.probing = Open, 0, false
	b.probeAt = now.Add(jitter(b.policy.Probes[0], 0.2, u))
	return true
}

// aborted notes that an attempt ended without saying anything of the endpoint.
func (b *breaker) aborted(probe bool) {
	if probe {
		b.probing = false
	}
}

// pause keeps everything back until the given time, and then starts slowly.
func (b *breaker) pause(until time.Time) {
	if until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
	if b.state == Closed {
		b.state, b.limit = Recovering, 1
	}
}

// sampleWindow counts attempts of the last 30 s, by the second.
type sampleWindow struct {
	buckets [30]struct {
		second        int64
		total, failed int
	}
}

func (w *sampleWindow) add(now time.Time, ok bool) {
	sec := now.Unix()
	n := int64(len(w.buckets))
	b := &w.buckets[(sec%n+n)%n]
	if b.second != sec {
		b.second, b.total, b.failed = sec, 0, 0
	}
	b.total++
	if !ok {
		b.failed++
	}
}

func (w *sampleWindow) count(now time.Time) (total, failed int) {
	sec := now.Unix()
	for i := range w.buckets {
		if b := &w.buckets[i]; sec-b.second < int64(len(w.buckets)) && b.second <= sec {
			total += b.total
			failed += b.failed
		}
	}
	return total, failed
}
