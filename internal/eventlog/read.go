package eventlog

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

// MaxRead bounds the limit of a read.
const MaxRead = 1024

// Last returns the Seq of the last committed event, 0 for an empty log.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Wait returns when an event with a Seq above after is committed.
func (l *Log) Wait(ctx context.Context, after uint64) error {
	return l.await(ctx, after+1)
}

// Read returns committed events with a Seq above after, in order and without
// gaps: at most limit and at most MaxRead, none when there are no more. The
// bodies are shared and must not be changed.
//
// An after of 0 reads from the first that is kept; one that is not kept any more,
// other than the one right before, is a TruncatedError. At a damaged record it
// returns those before it, and then, read from there, a CorruptError.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]event.Record, error) {
	durable, err := l.readable(ctx)
	if err != nil || after >= durable || limit <= 0 {
		return nil, err
	}

	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return nil, err
	}
	first := l.First()
	if after > 0 && after+1 < first {
		return nil, fmt.Errorf("read event log after %d: %w", after, &TruncatedError{First: first})
	}
	after = max(after, first-1)
	if after >= durable {
		return nil, nil
	}
	limit = int(min(uint64(limit), MaxRead, durable-after))
	if records, ok := l.newest(after, limit); ok {
		return records, nil
	}
	records, err := l.store.Read("", after, limit)
	if now := l.First(); now > first && (len(records) == 0 || records[0].Seq != after+1) {
		// They were trimmed meanwhile.
		return nil, fmt.Errorf("read event log after %d: %w", after, &TruncatedError{First: now})
	}
	want := after + 1
	for i := range records {
		if records[i].Seq != want {
			records, err = records[:i], nil
			break
		}
		want++
	}
	if len(records) > 0 {
		return records, nil
	}
	if err == nil {
		err = &CorruptError{Seq: want, Reason: "missing"}
	}
	return nil, fmt.Errorf("read event log after %d: %w", after, err)
}

// ReadRoom is Read for the events of the room of that name, across its
// sessions; the RoomSeq tells whether one is missing. It also finds what is kept
// of an open session from before First, and knows no TruncatedError.
func (l *Log) ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error) {
	durable, err := l.readable(ctx)
	if err != nil || after >= durable || limit <= 0 || room == "" {
		return nil, err
	}

	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return nil, err
	}
	// Records carry names as their bodies do, see freeze.
	room = strings.ToValidUTF8(room, "\uFFFD")
	records, err := l.store.Read(room, after, min(limit, MaxRead))
	for i := range records {
		// An engine may show a batch before it is durable.
		if records[i].Seq > durable {
			return records[:i], nil
		}
	}
	if len(records) == 0 && err != nil {
		return nil, fmt.Errorf("read events of room %q after %d: %w", room, after, err)
	}
	return records, nil
}

// newest returns what Read does, if it is in memory.
func (l *Log) newest(after uint64, limit int) ([]event.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.after(after, limit)
}

// readable returns how far the log can be read.
func (l *Log) readable(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable, l.err
}
