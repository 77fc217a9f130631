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
type apiLog struct{ eventlog.Intact }

// ByID returns the record with that id.
func (l apiLog) ByID(ctx context.Context, id string) (event.Record, error) {
	r, err := l.Intact.ByID(ctx, id)
	if errors.Is(err, eventlog.ErrNotFound) {
		err = fmt.Errorf("find event %.64q: %w", id, delivery.ErrUnknownEvent)
	}
	return r, err
}

// Session returns the room session of that sid, if the log knows it.
func (l apiLog) Session(ctx context.Context, sid string) (event.Session, bool, error) {
	s, err := l.Intact.Session(ctx, sid)
	if errors.Is(err, eventlog.ErrNotFound) {
		return s, false, nil
	}
	return s, err == nil, err
}

// Delete forgets a value and returns when that is durable.
func (l apiLog) Delete(ctx context.Context, key string) error { return l.Intact.Delete(ctx, key) }
