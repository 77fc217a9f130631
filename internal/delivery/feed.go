package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	feedBatch   = 1024
	feedRecords = 4096
	feedBytes   = 8 << 20
)

// entry is a record with its lane, which is worked out once for all endpoints.
type entry struct {
	rec  *event.Record
	lane laneKey
}

// feed reads the log once for all endpoints: it keeps the newest records and
// wakes the endpoints. Who is further behind reads the log through it.
type feed struct {
	log    Log             // immutable
	logger *slog.Logger    // immutable
	wake   []chan struct{} // immutable; one slot each

	mu      sync.RWMutex
	start   uint64  // mu guards; everything after start is in entries
	end     uint64  // mu guards
	entries []entry // mu guards; the array behind it is only ever appended to
	bytes   int     // mu guards
}

func newFeed(log Log, logger *slog.Logger) *feed {
	last := log.Last()
	return &feed{log: log, logger: logger, start: last, end: last}
}

// run follows the log until ctx is done.
func (f *feed) run(ctx context.Context) {
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.logger.Error("webhooks: reading the event log", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
}

// follow takes in the next batch.
func (f *feed) follow(ctx context.Context) error {
	f.mu.RLock()
	end := f.end
	f.mu.RUnlock()
	if err := f.log.Wait(ctx, end); err != nil {
		return err
	}
	recs, err := f.log.Read(ctx, end, feedBatch)
	if err != nil {
		return err
	}
	if len(recs) == 0 {
		return errors.New("the log announced a record that it does not hold")
	}
	f.append(asEntries(recs))
	for _, c := range f.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

func asEntries(recs []event.Record) []entry {
	entries := make([]entry, len(recs))
	for i := range recs {
		entries[i] = entry{rec: &recs[i], lane: laneOf(&recs[i])}
	}
	return entries
}

func (f *feed) append(entries []entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, entries...)
	f.end = entries[len(entries)-1].rec.Seq
	for _, e := range entries {
		f.bytes += len(e.rec.Body)
	}
	if len(f.entries) <= 2*feedRecords && f.bytes <= 2*feedBytes {
		return
	}
	cut, bytes := 0, f.bytes
	for len(f.entries)-cut > feedRecords || bytes > feedBytes {
		bytes -= len(f.entries[cut].rec.Body)
		cut++
	}
	f.start = f.entries[cut-1].rec.Seq
	// Readers may hold the old array: it is left as it is.
	f.entries = append(make([]entry, 0, 2*feedRecords), f.entries[cut:]...)
	f.bytes = bytes
}

// read returns up to limit entries after the given sequence number.
func (f *feed) read(ctx context.Context, after uint64, limit int) ([]entry, error) {
	f.mu.RLock()
	start, entries := f.start, f.entries
	f.mu.RUnlock()
	if after >= start {
		i := sort.Search(len(entries), func(i int) bool { return entries[i].rec.Seq > after })
		return entries[i:min(i+limit, len(entries))], nil
	}
	recs, err := f.log.Read(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return asEntries(recs), nil
}

// record returns the one record seq.
func (f *feed) record(ctx context.Context, seq uint64) (*event.Record, error) {
	entries, err := f.read(ctx, seq-1, 1)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 || entries[0].rec.Seq != seq {
		return nil, errMissing
	}
	return entries[0].rec, nil
}

func (f *feed) last() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.end
}
