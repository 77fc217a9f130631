package httpapi

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// memLog is a Log in memory. Its records begin at 1, without gaps.
type memLog struct {
	mu      sync.Mutex
	records []event.Record // mu guards
	grown   chan struct{}  // mu guards; closed by the next append
	fail    error          // mu guards; what Read returns, if set
	first   uint64         // immutable; the lowest that is kept, 0 for 1
	slow    time.Duration  // immutable; what a read takes
	most    int            // mu guards; bytes of the largest read
}

func newMemLog() *memLog { return &memLog{grown: make(chan struct{})} }

func (l *memLog) append(room string, bodies ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		seq := uint64(len(l.records) + 1)
		l.records = append(l.records, event.Record{
			Seq: seq, RoomSeq: seq, ID: fmt.Sprint("id-", seq), Name: event.RoomStarted, Room: room, RoomSID: "RM_" + room,
			Time: time.Date(2026, 11, 23, 12, 0, 0, int(seq)*1000, time.UTC), Body: []byte(body),
		})
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *memLog) Read(ctx context.Context, after uint64, limit int) ([]event.Record, error) {
	return l.ReadRoom(ctx, "", after, limit)
}

func (l *memLog) ReadRoom(_ context.Context, room string, after uint64, limit int) (found []event.Record, _ error) {
	time.Sleep(l.slow) // virtual
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes := 0
	for _, r := range l.records {
		if r.Seq > after && r.Seq >= l.first && len(found) < limit && (room == "" || r.Room == room) {
			found = append(found, r)
			bytes += len(r.Body)
		}
	}
	l.most = max(l.most, bytes)
	return found, l.fail
}

func (l *memLog) Wait(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		last, grown := uint64(len(l.records)), l.grown
		l.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *memLog) First() uint64 { return max(l.first, 1) }

func (l *memLog) ByID(_ context.Context, id string) (event.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.ID == id {
			return r, nil
		}
	}
	return event.Record{}, fmt.Errorf("event %q: %w", id, delivery.ErrUnknownEvent)
}

func (l *memLog) At(_ context.Context, t time.Time) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if !r.Time.Before(t) {
			return r.Seq, nil
		}
	}
	return uint64(len(l.records)) + 1, nil
}

func (l *memLog) Session(ctx context.Context, sid string) (event.Session, bool, error) {
	found, _, _, err := l.Sessions(ctx, 0, 1, func(s *event.Session) bool { return s.SID == sid })
	if len(found) == 0 {
		return event.Session{}, false, err
	}
	return found[0], true, err
}

// Sessions knows of a session where it begins, and no more.
func (l *memLog) Sessions(_ context.Context, before uint64, limit int, match func(*event.Session) bool) (found []event.Session, _ uint64, done bool, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := make(map[string]uint64)
	for _, r := range l.records {
		if begun[r.RoomSID] == 0 {
			begun[r.RoomSID] = r.Seq
		}
	}
	for _, r := range slices.Backward(l.records) {
		s := event.Session{Room: r.Room, SID: r.RoomSID, First: r.Seq, Started: r.Time}
		if begun[r.RoomSID] != r.Seq || before > 0 && r.Seq >= before || !match(&s) {
			continue
		}
		if found = append(found, s); len(found) == limit {
			return found, r.Seq, false, l.fail
		}
	}
	return found, 1, true, l.fail
}

func (l *memLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.records))
}
