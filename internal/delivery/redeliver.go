package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Redeliver sends one event to an endpoint once more: at once, once, whatever
// its filter and state, marked late. An event among the dead letters that is
// accepted is none any more.
func (e *Engine) Redeliver(ctx context.Context, endpoint string, seq uint64) (Attempt, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return Attempt{}, fmt.Errorf("redeliver: %w", err)
	}
	generation := e.feed.changes()
	rec, err := e.feed.record(ctx, seq)
	if errors.Is(err, errMissing) {
		err = ErrUnknownEvent
	}
	if err != nil {
		return Attempt{}, fmt.Errorf("redeliver event %d: %w", seq, err)
	}
	a, err := ep.sendNow(ctx, job{seq: seq, rec: rec, generation: generation, details: details{late: true}})
	if err != nil {
		return a, fmt.Errorf("redeliver event %d: %w", seq, err)
	}
	return a, nil
}

// Test sends a signed sample, marked as a test, and returns how that went. What
// stands in the log is not touched.
func (e *Engine) Test(ctx context.Context, id string) (Attempt, error) {
	ep, err := e.find(id)
	if err != nil {
		return Attempt{}, fmt.Errorf("test: %w", err)
	}
	now, generation := time.Now(), e.feed.changes()
	rec := &event.Record{ID: newID("test_"), Name: event.RoomStarted, Room: "rollcall-test", RoomSID: "RM_test", Time: now}
	sample := event.Event{Name: rec.Name, Time: now, Room: &livekit.Room{
		Sid: rec.RoomSID, Name: rec.Room, CreationTime: now.Unix(), CreationTimeMs: now.UnixMilli()}}
	if rec.Body, err = sample.Body(rec.ID); err != nil {
		return Attempt{}, fmt.Errorf("test: %w", err)
	}
	a, err := ep.sendNow(ctx, job{rec: rec, generation: generation, details: details{test: true}})
	if err != nil {
		return a, fmt.Errorf("test endpoint %s: %w", id, err)
	}
	return a, nil
}

// sendNow makes an attempt on the caller's goroutine and keeps it.
func (ep *endpoint) sendNow(ctx context.Context, j job) (Attempt, error) {
	var s *sender
	var unusable error
	if err := ep.ask(func() {
		if unusable = ep.usable(); unusable != nil {
			return
		}
		s = ep.sender
		j.attempt = 1
		if d := ep.dead[j.seq]; d != nil {
			d.Attempts++
			j.attempt = d.Attempts
		}
	}); err != nil {
		return Attempt{}, err
	}
	if unusable != nil {
		return Attempt{}, unusable
	}
	r := s.send(ctx, j)
	a := r.attempt()
	a.Requested = true
	if r.cancelled {
		return a, ctx.Err()
	}
	err := ep.ask(func() {
		now := time.Now()
		if j.seq != 0 {
			ep.attempts.add(a)
			ep.touchSave(now)
		}
		if r.delivered() {
			ep.exhume(j.seq, now)
		}
	})
	return a, err
}
