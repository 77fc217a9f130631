package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"

	"github.com/rollcall-rtc/rollcall/event"
)

// Inbox is an http.Handler that hands an application every event of a room once
// and in order, whatever happens to the deliveries: what came before is not
// handed over again, what is missing is fetched from the log first. How far
// each room is stands in Store, and moves in the transaction in which Handle
// does its work, so that both happen or neither.
//
// Deliveries are answered with 2xx once Handle's transaction is committed. While
// Handle, Source or Store fail they are answered with 5xx, and the server tries
// again: an event that Handle never accepts holds its room, and only that.
//
// Any number of goroutines, and of processes that share a Store, may receive.
// The fields are set before the first request.
type Inbox[Tx any] struct {
	Receiver Receiver
	Source   Source
	Store    Store[Tx]
	// Handle takes one event. What it does with tx is committed together with
	// the room's new position, and not at all if it returns an error.
	Handle func(ctx context.Context, tx Tx, ev *Event) error
	// Events are names, or globs like "track_*": what the endpoint's filter asks
	// for, and so what is fetched when it is missing. Empty means, as there,
	// every event that LiveKit has too.
	Events []string
	// After is where a room begins that Store does not know: only events with a
	// Seq above it are fetched. 0 is the beginning of the log.
	After uint64
	// Logger gets what fails; nil discards.
	Logger *slog.Logger

	lanes laneLocks
}

// pageSize is how many events are fetched at a time, and conflictLimit how often
// another process may be faster.
const (
	pageSize      = 500
	conflictLimit = 16
)

// ServeHTTP receives a delivery: one event, or a batch.
func (in *Inbox[Tx]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	events, err := in.Receiver.ReceiveAll(r)
	if err != nil {
		status := http.StatusUnauthorized
		switch {
		case errors.Is(err, ErrTooLarge):
			status = http.StatusRequestEntityTooLarge
		case errors.Is(err, ErrMalformedBody):
			status = http.StatusBadRequest
		}
		http.Error(w, err.Error(), status)
		return
	}
	if err := in.Take(r.Context(), events...); err != nil {
		// The server keeps answers with the delivery; the reasons of the
		// application are for its own log.
		in.logger().ErrorContext(r.Context(), "webhook is not taken", "id", events[0].GetId(), "event", events[0].GetEvent(), "error", err)
		http.Error(w, "the event is not taken yet; see the receiver's log", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Take hands over the events of one delivery, which Receiver has verified, after
// those that come before them. It returns nil when the application has them all.
func (in *Inbox[Tx]) Take(ctx context.Context, events ...*Event) error {
	if in.Source == nil || in.Store == nil || in.Handle == nil {
		return ErrIncomplete
	}
	done := make(map[string]bool)
	for _, ev := range events {
		lane := laneOf(ev)
		if ev.Delivery.Test || done[lane] {
			continue
		}
		if ev.Delivery.Seq == 0 {
			return fmt.Errorf("take event %s: %w", ev.GetId(), ErrNoSeq)
		}
		// A batch says where it begins and ends, not where each event is: the
		// log is asked once for each room in it.
		done[lane] = ev.Delivery.Batch > 0
		if err := in.take(ctx, lane, ev); err != nil {
			return fmt.Errorf("take event %d of lane %q: %w", ev.Delivery.Seq, lane, err)
		}
	}
	return nil
}

func (in *Inbox[Tx]) take(ctx context.Context, lane string, ev *Event) error {
	unlock, err := in.lanes.lock(ctx, lane)
	if err != nil {
		return err
	}
	defer unlock()
	for range conflictLimit {
		if err = in.advance(ctx, lane, ev); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}

// advance brings the lane to ev.
func (in *Inbox[Tx]) advance(ctx context.Context, lane string, ev *Event) error {
	pos, err := in.Store.Load(ctx, lane)
	if err != nil {
		return fmt.Errorf("load position: %w", err)
	}
	d := &ev.Delivery
	if d.Batch > 0 {
		return in.fill(ctx, lane, &pos, ev, d.Seq)
	}
	if pos.ID != "" && (d.Seq > pos.Seq) != (ev.GetId() > pos.ID) {
		return fmt.Errorf("%w: event %d has id %s, but %d had %s", ErrOtherLog, d.Seq, ev.GetId(), pos.Seq, pos.ID)
	}
	if d.Seq <= pos.Seq {
		return nil // handed over before
	}
	if !follows(ev, pos, lane) {
		if err := in.fill(ctx, lane, &pos, ev, d.Seq-1); err != nil {
			return err
		}
	}
	if !in.wants(ev) {
		in.logger().WarnContext(ctx, "the endpoint sends an event that Inbox.Events does not have: when it is missing, it will not be fetched", "event", ev.GetEvent())
	}
	return in.hand(ctx, lane, &pos, ev)
}

// follows says that nothing can be missing between pos and ev.
func follows(ev *Event, pos Position, lane string) bool {
	d := &ev.Delivery
	switch {
	case pos.ID == "":
		// Where a room begins is for the log to say; what is of no room is
		// short, and too rare to search the log for it.
		return !ofRoom(lane) && d.PrevSeq == 0
	case pos.RoomSID == ev.GetRoom().GetSid() && pos.RoomSeq > 0 && d.RoomSeq == pos.RoomSeq+1:
		return true
	default:
		// A recovery may be filtered, so that what it sent before is not all.
		return d.PrevSeq > 0 && d.PrevSeq <= pos.Seq && !d.Late && d.Recovery == ""
	}
}

// fill hands over what the log has of the lane after pos, up to through. cause
// is the delivery that shows that there is something.
func (in *Inbox[Tx]) fill(ctx context.Context, lane string, pos *Position, cause *Event, through uint64) error {
	after := pos.Seq
	if pos.ID == "" {
		after = max(after, in.After)
	}
	if first := cause.Delivery.FirstSeq; first > 0 && !ofRoom(lane) {
		after = max(after, first-1) // the batch before it ended there
	}
	missing := false // until an event is handed over that tells of it
reading:
	for after < through {
		page, cursor, err := in.Source.ReadRoom(ctx, cause.GetRoom().GetName(), after, pageSize)
		if expired, ok := errors.AsType[*ExpiredError](err); ok && expired.Earliest > after+1 {
			after, missing = expired.Earliest-1, pos.ID != ""
			continue
		}
		if err != nil {
			return fmt.Errorf("fetch events after %d: %w", after, err)
		}
		for _, ev := range page {
			if ev.Delivery.Seq > through {
				break reading
			}
			if ev.Delivery.Seq <= pos.Seq || laneOf(ev) != lane || !in.wants(ev) {
				continue
			}
			ev.Missing, missing = missing, false
			if err := in.hand(ctx, lane, pos, ev); err != nil {
				return err
			}
		}
		if cursor <= after {
			break // the log has no more
		}
		after = cursor
	}
	if missing {
		cause.Missing = true
	}
	return nil
}

// hand gives ev to the application and moves pos to it.
func (in *Inbox[Tx]) hand(ctx context.Context, lane string, pos *Position, ev *Event) error {
	next := Position{Seq: ev.Delivery.Seq, ID: ev.GetId(), RoomSID: ev.GetRoom().GetSid(), RoomSeq: ev.Delivery.RoomSeq}
	err := in.Store.Advance(ctx, lane, *pos, next, func(ctx context.Context, tx Tx) error {
		return in.Handle(ctx, tx, ev)
	})
	if err != nil {
		return fmt.Errorf("hand over %s %d: %w", ev.GetEvent(), next.Seq, err)
	}
	*pos = next
	return nil
}

func (in *Inbox[Tx]) wants(ev *Event) bool {
	name := ev.GetEvent()
	if len(in.Events) == 0 {
		d, known := event.Lookup(event.Name(name))
		return !known || d.Stock // as the server counts those of a newer catalogue
	}
	for _, pattern := range in.Events {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func (in *Inbox[Tx]) logger() *slog.Logger {
	if in.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return in.Logger
}
