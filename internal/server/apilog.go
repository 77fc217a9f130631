package server

import (
	"context"
	"fmt"
	"sort"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// apiLog is the log as httpapi wants it.
type apiLog struct{ *eventlog.Log }

// First returns the lowest Seq that can be read, 1 for an empty log.
func (l apiLog) First() uint64 {
	records, err := l.Read(context.Background(), 0, 1)
	if err != nil || len(records) == 0 {
		return 1
	}
	return records[0].Seq
}

// ByID returns the record with that id. Ids rise with the sequence.
func (l apiLog) ByID(ctx context.Context, id string) (event.Record, error) {
	first, last := l.First(), l.Last()
	var failed error
	at := func(seq uint64) (rec event.Record) {
		records, err := l.Read(ctx, seq-1, 1)
		switch {
		case err != nil:
			failed = err
		case len(records) == 1:
			rec = records[0]
		}
		return rec
	}
	n := sort.Search(int(last+1-first), func(i int) bool { return failed != nil || at(first+uint64(i)).ID >= id })
	if failed == nil && first+uint64(n) <= last {
		if rec := at(first + uint64(n)); rec.ID == id {
			return rec, nil
		}
	}
	if failed != nil {
		return event.Record{}, fmt.Errorf("find event: %w", failed)
	}
	return event.Record{}, fmt.Errorf("find event %.64q: %w", id, delivery.ErrUnknownEvent)
}

// RoomName returns the name of the room that had a session of that sid, "" if
// the log knows none.
func (l apiLog) RoomName(ctx context.Context, sid string) (string, error) {
	for cursor := uint64(0); ; {
		records, err := l.Read(ctx, cursor, eventlog.MaxRead)
		if err != nil {
			return "", fmt.Errorf("find room: %w", err)
		}
		for i := range records {
			if records[i].RoomSID == sid {
				return records[i].Room, nil
			}
		}
		if len(records) == 0 {
			return "", nil
		}
		cursor = records[len(records)-1].Seq
	}
}

// Put keeps a small value and returns when that is durable.
func (l apiLog) Put(ctx context.Context, key string, value []byte) error {
	l.SaveCursors(map[string][]byte{key: value}, nil)
	return l.FlushCursors(ctx)
}

// Delete forgets one and returns when that is durable.
func (l apiLog) Delete(ctx context.Context, key string) error {
	l.SaveCursors(nil, []string{key})
	return l.FlushCursors(ctx)
}
