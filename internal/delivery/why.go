package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// Why explains what became of the event seq, at each endpoint.
func (e *Engine) Why(ctx context.Context, seq uint64) (Explanation, error) {
	rec, err := e.feed.record(ctx, seq)
	switch {
	case errors.Is(err, errMissing):
		return Explanation{}, fmt.Errorf("explain event %d: %w", seq, ErrUnknownEvent)
	case err != nil:
		return Explanation{}, fmt.Errorf("explain event %d: %w", seq, err)
	}
	x := Explanation{Event: *rec}
	for _, ep := range e.all() {
		var d EndpointDelivery
		var fresh []Attempt
		ep.see(func() {
			d = ep.explain(rec)
			fresh = slices.Clone(ep.attempts.fresh)
		})
		all, err := e.storedAttempts(ep.id)
		if err != nil {
			return Explanation{}, fmt.Errorf("explain event %d: %w", seq, err)
		}
		d.Attempts = attemptsAt(seq, all, fresh)
		d.conclude()
		x.Endpoints = append(x.Endpoints, d)
	}
	return x, nil
}

// explain runs on the loop.
func (ep *endpoint) explain(rec *event.Record) EndpointDelivery {
	d := EndpointDelivery{Endpoint: ep.id, URL: ep.label}
	seq := rec.Seq
	entry := entry{rec: rec, lane: laneOf(rec)}
	l := ep.lanes[ep.layout.key(&entry)]
	dead := ep.dead[seq]
	switch {
	case dead != nil && dead.Next.IsZero() && !dead.flying:
		d.Fate, d.Because = Dead, "It was given up: "+dead.Reason+". It is not tried again by itself."
	case dead != nil:
		d.Fate, d.Next = Abandoned, dead.Next
		d.Because = "It was refused while others were accepted, and is tried again in the background: " + dead.Reason + "."
	case ep.match.why(rec) != "":
		d.Fate, d.Because = Filtered, ep.match.why(rec)+"."
	case seq <= ep.from:
		d.Fate, d.Because = Before, "It happened before the endpoint was there."
	case seq > ep.scan:
		d.Fate, d.Because = Unread, "The endpoint has not come to it yet."
	case l == nil:
		d.Fate, d.Because = Delivered, "It was accepted, and with it all before it in its room."
	case len(l.items) == 0 && seq > l.scanned:
		d.Fate, d.Because = Waiting, "Its room's events are about to be read."
	case len(l.items) == 0 || seq < l.head().seq:
		d.Fate, d.Because = Delivered, "It was accepted, and with it all before it in its room."
	case seq == l.head().seq && l.flying && !l.trial:
		d.Fate, d.Because = Pending, "It is being sent."
	case seq == l.head().seq:
		d.Fate, d.Because = Pending, "It is the next of its room."
		if l.timer >= 0 {
			d.Next = l.due
		}
		if l.reason != "" {
			d.Because = "It is tried again: " + l.reason + "."
		}
	default:
		d.Fate, d.Behind = Waiting, l.head().seq
		d.Because = fmt.Sprintf("It waits behind event %d of its room.", d.Behind)
	}
	if d.Fate == Delivered && seq <= ep.passed {
		d.Because = "It was accepted, or the endpoint's filter left it out then."
	}
	switch waits := d.Fate == Unread || d.Fate == Waiting || d.Fate == Pending || d.Fate == Abandoned; {
	case !waits:
	case ep.unusable != "":
		d.Because += " The endpoint cannot be used: " + ep.unusable + "."
		d.Next = time.Time{}
	case ep.disabled != nil:
		d.Because += " The endpoint answered 410 Gone and is disabled."
		d.Next = time.Time{}
	case ep.paused:
		d.Because += " The endpoint is paused."
		d.Next = time.Time{}
	case ep.breaker.state == Open:
		d.Because += " The endpoint counts as down and is probed: " + ep.lastError + "."
	}
	return d
}

// conclude says when an event was delivered, if that is still known.
func (d *EndpointDelivery) conclude() {
	for i := range d.Attempts {
		if a := &d.Attempts[i]; a.Delivered() && (d.Fate == Delivered || d.Fate == Filtered) {
			d.Fate = Delivered
			d.Because = fmt.Sprintf("It was accepted at %s with attempt %d.", a.At.Format(time.RFC3339Nano), a.Number)
			return
		}
	}
	if d.Fate != Delivered {
		return
	}
	for _, a := range slices.Backward(d.Attempts) {
		if !a.Requested {
			d.Fate, d.Because = Dead, "It was given up, and its dead letter was dismissed or dropped."
			return
		}
	}
}

// storedAttempts returns what is kept of the attempts at an endpoint, in order.
func (e *Engine) storedAttempts(id string) ([]Attempt, error) {
	stored, err := e.opts.Cursors.LoadCursors(attemptPrefix(id))
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(stored))
	for key := range stored {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var all []Attempt
	for _, key := range keys {
		if all, err = decodeAttempts(all, stored[key]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// attemptsAt returns those of the attempts that were at seq.
func attemptsAt(seq uint64, lists ...[]Attempt) []Attempt {
	var at []Attempt
	for _, list := range lists {
		for _, a := range list {
			if a.Seq == seq || a.First != 0 && a.First <= seq && seq <= a.Seq {
				at = append(at, a)
			}
		}
	}
	return at
}

// Attempts returns the kept attempts at an endpoint, the newest first.
func (e *Engine) Attempts(ctx context.Context, endpoint string, limit int) ([]Attempt, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return nil, fmt.Errorf("attempts: %w", err)
	}
	var fresh []Attempt
	ep.see(func() { fresh = slices.Clone(ep.attempts.fresh) })
	all, err := e.storedAttempts(endpoint)
	if err != nil {
		return nil, fmt.Errorf("attempts at %s: %w", endpoint, err)
	}
	all = append(all, fresh...)
	slices.Reverse(all)
	return all[:min(len(all), max(limit, 0))], nil
}

// DeadLetters returns up to limit dead letters with a sequence number above
// after, in order.
func (e *Engine) DeadLetters(ctx context.Context, endpoint string, after uint64, limit int) ([]DeadLetter, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	var all []DeadLetter
	ep.see(func() {
		for seq, d := range ep.dead {
			if seq > after {
				all = append(all, d.DeadLetter)
			}
		}
	})
	slices.SortFunc(all, func(a, b DeadLetter) int { return int(int64(a.Seq - b.Seq)) })
	return all[:min(len(all), max(limit, 0))], nil
}

// Redrive has dead letters tried again at once, and for as long as fresh ones;
// without seqs all of the endpoint's. It returns how many.
func (e *Engine) Redrive(ctx context.Context, endpoint string, seqs ...uint64) (int, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return 0, fmt.Errorf("redrive: %w", err)
	}
	n := 0
	err = ep.ask(func() {
		now := time.Now()
		if len(seqs) == 0 {
			for seq := range ep.dead {
				seqs = append(seqs, seq)
			}
		}
		for _, seq := range seqs {
			if ep.redrive(seq, now) {
				n++
			}
		}
		ep.save()
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("redrive at %s: %w", endpoint, err)
	case n == 0 && len(seqs) > 0:
		return 0, fmt.Errorf("redrive at %s: %w", endpoint, ErrUnknownDeadLetter)
	}
	return n, e.flush(ctx)
}

// redrive runs on the loop.
func (ep *endpoint) redrive(seq uint64, now time.Time) bool {
	d := ep.dead[seq]
	if d == nil {
		return false
	}
	if d.timer >= 0 {
		ep.deadTimers.remove(d)
	}
	d.Next, d.RetryUntil = now.UTC(), now.Add(ep.opts.Retry.MaxAge).UTC()
	if !d.flying {
		ep.deadTimers.wait(d)
	}
	ep.touchDead(seq, now)
	return true
}
