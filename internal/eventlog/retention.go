package eventlog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
)

// Retention says how long events are kept; the zero value keeps them forever.
type Retention struct {
	// Age is how long an event is kept, and a little longer: by the 256th part of
	// Age or HoldAge, whichever is shorter, and by Interval. The time that counts is that of the running log, which no
	// step of the clock moves; the time between two runs counts when as much
	// again has passed. 0 is forever.
	Age time.Duration
	// Size is how many bytes of events are kept, before compression; 0: all.
	Size uint64
	// Quota is how many bytes of events there may be, whoever still needs them.
	// At the quota the log is full: see ErrQuota. 0 is no quota.
	Quota uint64
	// Hold returns the lowest Seq that somebody still needs. Such events are kept
	// for HoldAge, 72 hours by default, even if Age and Size say otherwise.
	Hold    func() uint64
	HoldAge time.Duration
	// Interval is how often is looked, a minute by default; each second while the
	// log is full.
	Interval time.Duration
}

func (r *Retention) on() bool { return r.Age > 0 || r.Size > 0 || r.Quota > 0 }

// step is how much time there is between two marks at least.
func (r *Retention) step() time.Duration {
	if r.Age > 0 {
		return min(r.Age, r.HoldAge) / 256
	}
	return r.HoldAge / 256
}

// limit is how many bytes there may be, 0 for any number.
func (r *Retention) limit() uint64 {
	if r.Size > 0 && (r.Quota == 0 || r.Size < r.Quota) {
		return r.Size
	}
	return r.Quota
}

// mark says that the events up to Seq were committed when the log had run for
// Clock and had taken Bytes.
type mark struct {
	Seq   uint64        `json:"seq"`
	Clock time.Duration `json:"clock"`
	Bytes uint64        `json:"bytes"`
}

// ages is what retention knows of the past; it is stored as JSON.
type ages struct {
	First uint64        `json:"first"` // see Log.First
	Last  string        `json:"last"`  // id of an event after which all may be gone
	Gone  uint64        `json:"gone"`  // Bytes of what lies before First
	Clock time.Duration `json:"clock"` // how long the log has run
	Wall  time.Time     `json:"wall"`  // when that was so
	Marks []mark        `json:"marks"` // rising
}

const (
	keyAges  = reserved + "ages"
	keyBytes = reserved + "bytes"
	// maxMarks bounds the marks: of more, the old ones are thinned.
	maxMarks = 1024
	// savePause is between two writes of where retention is.
	savePause = time.Minute
	// trimPart is how much is trimmed before Close is looked for.
	trimPart = 1 << 14
)

// loadAges reads what an earlier run left, and returns the Seq of the last event:
// last is that of the last one which the store has, and those after it may have left
// by age. It is called by Open.
func (l *Log) loadAges(last uint64) (uint64, error) {
	values, err := l.store.Values(reserved, "", 0)
	if err != nil {
		return 0, fmt.Errorf("load retention: %w", err)
	}
	for _, v := range values {
		switch v.Key {
		case keyAges:
			if err := json.Unmarshal(v.Value, &l.ages); err != nil {
				return 0, fmt.Errorf("load retention: %w", err)
			}
		case keyBytes:
			l.bytes, _ = binary.Uvarint(v.Value)
		}
	}
	if l.ages.First > 0 {
		l.first.Store(l.ages.First)
		last = max(last, l.ages.First-1)
	}
	if id, err := uuid.Parse(l.ages.Last); err == nil {
		l.ids.resume(id)
	}
	l.gone = l.ages.Gone
	if len(l.ages.Marks) == 0 {
		l.ages.Marks = []mark{{Seq: last, Clock: l.ages.Clock, Bytes: l.bytes}}
	}
	l.marked = l.ages.Marks[len(l.ages.Marks)-1].Bytes
	return last, nil
}

// size is what a record counts for.
func size(r *event.Record) uint64 { return uint64(len(r.Body) + len(r.FullBody) + 200) }

// weigh notes the bytes of a group, in the group itself; committer only.
func (l *Log) weigh(b *Batch) {
	if !l.retention.on() || len(b.Records) == 0 {
		return
	}
	for i := range b.Records {
		l.weighed += size(&b.Records[i])
	}
	values := map[string][]byte{keyBytes: binary.AppendUvarint(nil, l.weighed)}
	for k, v := range b.Cursors {
		values[k] = v // the map is also others'
	}
	b.Cursors = values
}

// checkSize has the log looked at when much has come, and says when it is full
// and when it is not any more. l.mu must be held.
func (l *Log) checkSize() {
	if limit := l.retention.limit(); limit > 0 && l.bytes-l.marked >= limit/64 {
		l.marked = l.bytes
		l.marks = append(l.marks, mark{Seq: l.durable, Bytes: l.bytes})
		l.tidySoon()
	}
	full := l.retention.Quota > 0 && l.bytes-l.gone >= l.retention.Quota
	if full == l.full {
		return
	}
	l.full = full
	if full {
		l.logger.Error("event log has reached its quota: refusing all but lifecycle events",
			"bytes", l.bytes-l.gone, "quota", l.retention.Quota, "first", l.first.Load(), "last", l.durable)
		l.tidySoon()
		return
	}
	l.logger.Info("event log is below its quota again", "bytes", l.bytes-l.gone, "quota", l.retention.Quota, "refused", l.stats.RefusedByQuota)
}

// tidySoon has tidyLoop look now.
func (l *Log) tidySoon() {
	select {
	case l.tidyc <- struct{}{}:
	default:
	}
}

// lifecycle returns those of the events that are taken in any case: LiveKit's, and
// what opens and closes something. l.mu must be held.
func (l *Log) lifecycle(events []event.Event) []event.Event {
	kept := slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool {
		d, known := event.Lookup(e.Name)
		k := l.kinds[e.Name]
		return known && !d.Stock && !k.opens && !k.closes
	})
	l.stats.RefusedByQuota += uint64(len(events) - len(kept))
	return kept
}

// Ready returns nil while the log takes every event, Err once it has ended, and
// ErrQuota while it is full.
func (l *Log) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && l.full {
		return fmt.Errorf("%w: %d bytes of %d", ErrQuota, l.bytes-l.gone, l.retention.Quota)
	}
	return l.err
}

// tidyLoop takes out what is not to be kept, until the log ends.
func (l *Log) tidyLoop() {
	defer l.tidying.Done()
	timer := time.NewTimer(l.retention.Interval)
	defer timer.Stop()
	last := time.Now()
	saved := last
	// Only what the clock has moved since the last run, at most doubling the
	// speed at which events age: a clock set wrong cannot empty the log.
	var behind time.Duration
	if !l.ages.Wall.IsZero() {
		behind = max(last.Sub(l.ages.Wall), 0)
	}
	for {
		select {
		case <-timer.C:
		case <-l.tidyc:
		case <-l.stopc:
			_ = l.saveAges()
			return
		case <-l.failed:
			return
		}
		now := time.Now()
		ran := max(now.Sub(last), 0) // monotonic
		last = now
		more := min(behind, ran)
		behind -= more
		l.ages.Clock += ran + more
		l.ages.Wall = now.Round(0)
		trimmed, err := l.tidy()
		switch {
		case err != nil || trimmed:
			saved = now
		case now.Sub(saved) >= savePause:
			saved, err = now, l.saveAges()
		}
		if err != nil && l.Err() == nil {
			l.logger.Error("retention", "error", err)
		}
		wait := l.retention.Interval
		if errors.Is(l.Ready(), ErrQuota) {
			wait = min(wait, time.Second)
		}
		timer.Reset(wait)
	}
}

// tidy marks where the log is and trims it, if there is something to take out.
func (l *Log) tidy() (trimmed bool, _ error) {
	l.mu.Lock()
	at := mark{Seq: l.durable, Clock: l.ages.Clock, Bytes: l.bytes}
	full, marks := l.full, l.marks
	l.marks = nil
	l.mu.Unlock()
	r := &l.retention
	for _, m := range marks {
		m.Clock = at.Clock
		l.ages.Marks = append(l.ages.Marks, m)
	}
	if newest := l.ages.Marks[len(l.ages.Marks)-1]; at.Seq > newest.Seq && at.Clock-newest.Clock >= r.step() {
		l.ages.Marks = append(l.ages.Marks, at)
	}
	l.thin()

	byAge, bySize, held := mark{}, mark{}, mark{}
	for _, m := range l.ages.Marks {
		if r.Age > 0 && at.Clock-m.Clock >= r.Age {
			byAge = m
		}
		if at.Clock-m.Clock >= r.HoldAge {
			held = m
		}
	}
	if r.Size > 0 {
		bySize = l.leaving(at, r.Size)
	}
	if full {
		if m := l.leaving(at, r.Quota-r.Quota/10); m.Seq > bySize.Seq {
			bySize = m
		}
	}
	target := byAge
	if bySize.Seq > target.Seq {
		target = bySize
	}
	if r.Hold != nil {
		if needed := r.Hold(); needed <= target.Seq {
			// The mark before what is needed, or where holding ends.
			upTo := max(needed, 1) - 1
			limited := held
			for _, m := range l.ages.Marks {
				if m.Seq <= upTo && m.Seq > limited.Seq {
					limited = m
				}
			}
			if limited.Seq < target.Seq {
				target = limited
			}
		}
	}
	if target.Seq < l.First() {
		return false, nil
	}
	return true, l.trim(target)
}

// thin drops every second mark of the older half when there are too many: what
// is held for long is trimmed in larger parts.
func (l *Log) thin() {
	for len(l.ages.Marks) > maxMarks {
		kept := l.ages.Marks[:0]
		for i, m := range l.ages.Marks {
			if i%2 == 0 || i >= maxMarks/2 {
				kept = append(kept, m)
			}
		}
		l.ages.Marks = kept
	}
}

// leaving returns the first mark with no more than size bytes behind it.
func (l *Log) leaving(at mark, size uint64) mark {
	if at.Bytes-l.ages.Gone <= size {
		return mark{}
	}
	for _, m := range l.ages.Marks {
		if at.Bytes-m.Bytes <= size {
			return m
		}
	}
	return l.ages.Marks[len(l.ages.Marks)-1]
}

// trim takes out what lies up to the mark. What is to go is told first, so that a
// crash leaves no more than events that nobody reads any more, for the next trim.
func (l *Log) trim(upTo mark) error {
	from := l.First()
	if newest, err := l.store.Last(); err == nil && newest.Seq > 0 {
		l.ages.Last = newest.ID // what comes next goes on from there, also if nothing is left
	}
	l.ages.First, l.ages.Gone = upTo.Seq+1, upTo.Bytes
	l.ages.Marks = slices.DeleteFunc(l.ages.Marks, func(m mark) bool { return m.Seq < upTo.Seq })
	if len(l.ages.Marks) == 0 {
		l.ages.Marks = []mark{upTo}
	}
	l.first.Store(l.ages.First)
	if err := l.saveAges(); err != nil {
		return err
	}
	l.mu.Lock()
	l.gone = upTo.Bytes
	l.checkSize()
	l.mu.Unlock()
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	keep, err := l.needed(l.ages.First)
	if err != nil {
		return err
	}
	for at := from; at < l.ages.First; {
		at = min(at+trimPart, l.ages.First)
		if err := l.store.Trim(at, keep); err != nil {
			l.fail(err)
			return err
		}
		select {
		case <-l.stopc:
			return nil
		default:
		}
	}
	if err := l.forgetSessions(l.ages.First); err != nil {
		return err
	}
	l.logger.Debug("event log trimmed", "first", l.ages.First, "kept_of_open_rooms", len(keep))
	return nil
}

// needed returns the events before first that open rooms need: for the closure
// after a crash, for their state, and to go on counting.
func (l *Log) needed(first uint64) ([]uint64, error) {
	open, err := l.store.Open("")
	if err != nil {
		return nil, err
	}
	var keep []uint64
	for _, e := range open {
		keep = append(keep, e.Opened, e.Seq)
		if e.ParticipantSID != "" || e.Seq >= first {
			continue
		}
		_, last, err := l.store.RoomSeq(e.Room, e.RoomSID)
		if err != nil {
			return nil, err
		}
		keep = append(keep, last)
	}
	keep = slices.DeleteFunc(keep, func(seq uint64) bool { return seq >= first })
	slices.Sort(keep)
	return slices.Compact(keep), nil
}

func (l *Log) saveAges() error {
	b, err := json.Marshal(&l.ages)
	if err != nil {
		panic("BUG: marshal ages: " + err.Error())
	}
	// Close stops this loop before it stops the committer.
	ctx, cancel := context.WithTimeout(context.Background(), l.stallTimeout)
	defer cancel()
	if err := l.Put(ctx, keyAges, b); err != nil && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("save retention: %w", err)
	}
	return nil
}
