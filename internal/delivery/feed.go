package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
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

// weight is how many bytes a record takes that may be many: an event of a track
// has the whole room and participant beside its body, while an endpoint wants them.
func weight(rec *event.Record) int { return len(rec.Body) + len(rec.FullBody) }

// feed reads the log once for all endpoints: it keeps the newest records and
// wakes the endpoints. Who is further behind reads the log through it.
type feed struct {
	log    Log          // immutable
	logger *slog.Logger // immutable

	mu      sync.RWMutex
	wake    []chan struct{} // mu guards; one slot each
	start   uint64          // mu guards; everything after start is in entries
	end     uint64          // mu guards
	entries []entry         // mu guards; the array behind it is only ever appended to
	bytes   int             // mu guards
	// generation counts how often records of the log were changed.
	generation uint64 // mu guards
}

func newFeed(log Log, logger *slog.Logger) *feed {
	last := log.Last()
	return &feed{log: log, logger: logger, start: last, end: last}
}

// run follows the log until ctx is done.
func (f *feed) run(ctx context.Context) {
	var said string
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			said = ""
			continue
		}
		if msg := err.Error(); msg != said {
			f.logger.Error("webhooks: reading the event log", "err", err)
			said = msg
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readPause):
		}
	}
}

// follow takes in the next batch.
func (f *feed) follow(ctx context.Context) error {
	f.mu.RLock()
	end, generation := f.end, f.generation
	f.mu.RUnlock()
	if err := f.log.Wait(ctx, end); err != nil {
		return err
	}
	entries, upTo, err := f.readLog(ctx, end, feedBatch)
	if gone, ok := left(end, err); ok {
		// Nobody can have needed it: endpoints hold what they have not read.
		f.skip(gone.To)
		return nil
	}
	if err != nil {
		return err
	}
	if upTo == end {
		return errors.New("the log announced a record that it does not hold")
	}
	f.append(entries, upTo, generation)
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, c := range f.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

// tell wakes c from now on when there is more; untell ends that.
func (f *feed) tell(c chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake = append(f.wake, c)
}

func (f *feed) untell(c chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake = slices.DeleteFunc(f.wake, func(w chan struct{}) bool { return w == c })
}

// readLog reads up to limit records and says up to where. A damaged record is
// passed over: it cannot be delivered, and those behind it can.
func (f *feed) readLog(ctx context.Context, after uint64, limit int) ([]entry, uint64, error) {
	for range limit {
		recs, err := f.log.Read(ctx, after, limit)
		var damaged *eventlog.CorruptError
		switch {
		case errors.As(err, &damaged) && damaged.Seq > after:
			f.logger.Error("webhooks: a record of the event log cannot be delivered", "seq", damaged.Seq, "err", err)
			after = damaged.Seq
			continue
		case err != nil:
			return nil, after, err
		case len(recs) > 0:
			return asEntries(recs), recs[len(recs)-1].Seq, nil
		}
		break
	}
	return nil, after, nil
}

func asEntries(recs []event.Record) []entry {
	entries := make([]entry, len(recs))
	for i := range recs {
		entries[i] = entry{rec: &recs[i], lane: laneOf(&recs[i])}
	}
	return entries
}

// skip goes on after what has left the log.
func (f *feed) skip(to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries, f.bytes = nil, 0
	f.start, f.end = to, to
}

// append takes in what was read while generation was that of the log; else it is
// read again.
func (f *feed) append(entries []entry, upTo, generation uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.generation != generation {
		return
	}
	f.entries = append(f.entries, entries...)
	f.end = upTo
	for _, e := range entries {
		f.bytes += weight(e.rec)
	}
	if len(f.entries) <= 2*feedRecords && f.bytes <= 2*feedBytes {
		return
	}
	cut, bytes := 0, f.bytes
	for len(f.entries)-cut > feedRecords || bytes > feedBytes {
		bytes -= weight(f.entries[cut].rec)
		cut++
	}
	f.start = f.entries[cut-1].rec.Seq
	// Readers may hold the old array: it is left as it is. The records that stay
	// are copied, or they would keep all those that were read together with them.
	kept := make([]entry, 0, 2*feedRecords)
	for _, e := range f.entries[cut:] {
		rec := *e.rec
		kept = append(kept, entry{rec: &rec, lane: e.lane})
	}
	f.entries = kept
	f.bytes = bytes
}

// read returns up to limit entries after the given sequence number, and up to
// where they reach. It returns none, and after itself, at the end of the log.
func (f *feed) read(ctx context.Context, after uint64, limit int) ([]entry, uint64, error) {
	f.mu.RLock()
	start, end, entries := f.start, f.end, f.entries
	f.mu.RUnlock()
	if after < start {
		// Not beyond end: a position that this returned can be read again.
		return f.readLog(ctx, after, int(min(uint64(limit), end-after)))
	}
	i := sort.Search(len(entries), func(i int) bool { return entries[i].rec.Seq > after })
	if rest := entries[i:]; len(rest) > limit {
		return rest[:limit], rest[limit-1].rec.Seq, nil
	}
	return entries[i:], max(end, after), nil
}

// record returns the one record seq.
func (f *feed) record(ctx context.Context, seq uint64) (*event.Record, error) {
	entries, _, err := f.read(ctx, seq-1, 1)
	if err == nil && len(entries) == 0 && seq > f.last() && seq <= f.log.Last() {
		// Committed this moment: the feed has not come to it.
		entries, _, err = f.readLog(ctx, seq-1, 1)
	}
	if _, gone := left(seq-1, err); gone {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 || entries[0].rec.Seq != seq {
		return nil, errMissing
	}
	return entries[0].rec, nil
}

// changes is how often records of the log were changed: who holds some of before
// reads them anew.
func (f *feed) changes() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.generation
}

// first is the oldest record that the log has, 0 where it cannot tell.
func (f *feed) first() uint64 {
	if log, ok := f.log.(interface{ First() uint64 }); ok {
		return log.First()
	}
	return 0
}

func (f *feed) last() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.end
}
