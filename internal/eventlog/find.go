package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
)

// First returns the Seq of the first event that is kept in full succession: Read
// serves all from here on. It is 1 for an empty log.
func (l *Log) First() uint64 { return l.first.Load() }

// Started returns the Seq of the event with which the open room session of that
// sid began, or ErrNotFound.
func (l *Log) Started(roomSID string) (uint64, error) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return 0, err
	}
	open, err := l.store.Open(roomSID)
	if err != nil {
		return 0, fmt.Errorf("find the start of session %s: %w", roomSID, err)
	}
	for _, e := range open {
		if e.Thing == (Thing{RoomSID: roomSID}) {
			return e.Opened, nil
		}
	}
	return 0, fmt.Errorf("find the start of session %.64q: %w", roomSID, ErrNotFound)
}

// ByID returns the event with that id, or ErrNotFound. Ids rise with Seq, so some
// two dozen records are looked at among ten million.
func (l *Log) ByID(ctx context.Context, id string) (event.Record, error) {
	want, err := uuid.Parse(id)
	if err != nil || want.Version() != 7 {
		return event.Record{}, fmt.Errorf("find event %.64q: %w", id, ErrNotFound)
	}
	r, err := l.search(ctx, func(r *event.Record) bool { return r.ID >= want.String() })
	if err == nil && r.ID != want.String() {
		err = ErrNotFound
	}
	if err != nil {
		return event.Record{}, fmt.Errorf("find event %s: %w", want, err)
	}
	return r, nil
}

// At returns the Seq of the first event at or after t, by the time in the ids,
// which never falls: one above Last if there is none yet. Nothing that was
// committed at t or later, by the clock of then, lies before it. With a clock that
// was set back some earlier events can lie behind it.
func (l *Log) At(ctx context.Context, t time.Time) (uint64, error) {
	end := l.Last() + 1
	ms := uint64(max(t.UnixMilli(), 0))
	r, err := l.search(ctx, func(r *event.Record) bool {
		id, err := uuid.Parse(r.ID)
		return err == nil && idTime(id)>>12 >= ms
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return end, nil
	case err != nil:
		return 0, fmt.Errorf("find events at %s: %w", t.UTC().Format(time.RFC3339), err)
	}
	return r.Seq, nil
}

// search returns the first record for which found says true, as it does from
// there on. Damaged records are passed over.
func (l *Log) search(ctx context.Context, found func(*event.Record) bool) (event.Record, error) {
	low, high := l.First(), l.Last()+1
	var best event.Record
	for low < high {
		mid := low + (high-low)/2
		r, next, err := l.intact(ctx, mid, high)
		if truncated, ok := errors.AsType[*TruncatedError](err); ok {
			low = max(truncated.First, mid+1)
			continue
		}
		switch {
		case err != nil:
			return event.Record{}, err
		case next == high: // all damaged from mid on
			high = mid
		case found(&r):
			best, high = r, mid
		default:
			low = next + 1
		}
	}
	if best.Seq == 0 {
		return best, ErrNotFound
	}
	return best, nil
}

// intact returns the first record from seq up to end that can be read, and its
// Seq, or end.
func (l *Log) intact(ctx context.Context, seq, end uint64) (event.Record, uint64, error) {
	for ; seq < end; seq++ {
		records, err := l.readAt(ctx, seq)
		switch {
		case errors.Is(err, ErrCorrupt):
		case err != nil:
			return event.Record{}, 0, err
		case len(records) == 0:
			return event.Record{}, end, nil
		default:
			return records[0], seq, nil
		}
	}
	return event.Record{}, end, nil
}

// readAt returns the record seq, which for 1 takes more than Read after 0.
func (l *Log) readAt(ctx context.Context, seq uint64) ([]event.Record, error) {
	if first := l.First(); seq < first {
		return nil, &TruncatedError{First: first}
	}
	return l.Read(ctx, seq-1, 1)
}
