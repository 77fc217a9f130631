package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// apiLog is the log as httpapi wants it.
type apiLog struct{ *eventlog.Log }

// ByID returns the record with that id.
func (l apiLog) ByID(ctx context.Context, id string) (event.Record, error) {
	r, err := l.Log.ByID(ctx, id)
	if errors.Is(err, eventlog.ErrNotFound) {
		err = fmt.Errorf("find event %.64q: %w", id, delivery.ErrUnknownEvent)
	}
	return r, err
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

// Delete forgets a value and returns when that is durable.
func (l apiLog) Delete(ctx context.Context, key string) error { return l.Log.Delete(ctx, key) }
