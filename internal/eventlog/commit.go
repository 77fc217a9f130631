package eventlog

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// A group is bounded in events, so that the first in it does not wait for many,
// and in the bytes of its bodies.
const (
	maxGroup      = 1024
	maxGroupBytes = 4 << 20
)

// commitLoop is the committer: it writes what has gathered, group after group,
// until the log is closed and empty, or has failed.
func (l *Log) commitLoop() {
	defer close(l.donec)
	stall := time.AfterFunc(time.Hour, func() {
		l.fail(fmt.Errorf("%w in %s", ErrStalled, l.stallTimeout))
	})
	stall.Stop()
	defer stall.Stop()

	events := make([]event.Event, 0, min(maxGroup, len(l.ring)))
	last := 0 // size of the last group
	for {
		var cursors map[string][]byte
		var more bool
		l.gather(last)
		events, cursors, more = l.take(events[:0])
		if len(events) == 0 && len(cursors) == 0 {
			if !more {
				return
			}
			<-l.wake
			continue
		}
		last = len(events)
		records, sanitized := l.freezeAll(events)
		clear(events) // the payloads are not held longer than needed
		for len(records)+len(cursors) > 0 {
			b := &Batch{Cursors: cursors, Rewrites: l.taking}
			l.taking = nil
			var err error
			if records, err = l.fill(b, records, time.Now()); err != nil {
				l.fail(err)
				return
			}
			l.weigh(b)
			stall.Reset(l.stallTimeout)
			began := time.Now()
			err = l.store.Apply(b)
			l.commits.Observe(time.Since(began))
			stall.Stop()
			if err != nil {
				l.fail(err)
				return
			}
			if !l.publish(b, sanitized) {
				return
			}
			cursors, sanitized = nil, 0
		}
		if l.patient() {
			<-l.wake
		}
	}
}

// patient reports whether what came during the last group may wait for others, see
// CommitWithin.
func (l *Log) patient() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.due.IsZero() && !l.woken && !l.closing && l.err == nil
}

// gather lets those run who are about to append, if the last group was a large
// one: its writers were all woken by the same commit, and the first of them
// should not get a sync for itself while the others wait for it. It ends as soon
// as nothing more comes.
func (l *Log) gather(last int) {
	const large, patience = 4, 32
	if last < large {
		return
	}
	before := 0
	for range patience {
		l.mu.Lock()
		count, space := l.count, len(l.ring)-l.count
		l.mu.Unlock()
		if count == before || count >= min(last, maxGroup) || space == 0 {
			return
		}
		before = count
		runtime.Gosched()
	}
}

// take moves events out of the ring, and the cursors that are to ride with
// them. It reports false when nothing more will come.
func (l *Log) take(events []event.Event) ([]event.Event, map[string][]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return events, nil, false
	}
	select {
	case <-l.wake: // it was for what is taken now
	default:
	}
	l.woken = false
	if !l.due.IsZero() {
		l.due = time.Time{}
		l.dueTimer.Stop()
	}
	n := min(l.count, cap(events))
	for range n {
		events = append(events, l.ring[l.head])
		l.ring[l.head] = event.Event{}
		if l.head++; l.head == len(l.ring) {
			l.head = 0
		}
	}
	if l.count -= n; l.count == 0 {
		l.head = 0 // the same few places are used again, while they are in the caches
	}
	if n > 0 {
		l.space.Broadcast()
	}
	if n > 0 || l.cursorsDue || l.closing && len(l.cursors) > 0 {
		l.cursorTimer.Stop()
		l.cursorsDue = false
		l.inFlight, l.cursors = l.cursors, nil
		if l.inFlight != nil {
			l.taking, l.rewrites = l.rewrites, nil
		}
		l.cursorTaken = l.cursorSaved
	}
	return events, l.inFlight, !l.closing
}

// publish shows a committed batch to the readers.
func (l *Log) publish(b *Batch, sanitized int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.inFlight = nil
	l.cursorStored = l.cursorTaken
	close(l.flushed)
	l.flushed = make(chan struct{})
	l.stats.Groups++
	l.stats.Sanitized += uint64(sanitized)
	if len(b.Rewrites) > 0 {
		l.tail = tail{} // it may hold what they replace
	}
	if n := len(b.Records); n > 0 {
		l.tail.add(b.Records)
		l.durable = b.Records[n-1].Seq
		l.bytes = l.weighed
		l.checkSize()
		close(l.committed)
		l.committed = make(chan struct{})
	}
	return true
}

// freezeAll turns the events into records without a RoomSeq, and counts those
// that had to be sanitized. A body takes some 10 µs, which in a burst is most of
// what an event costs, so that a large group is shared among the processors.
func (l *Log) freezeAll(events []event.Event) (records []event.Record, sanitized int) {
	const share = 32
	records = make([]event.Record, len(events))
	now := time.Now()
	for i := range records {
		l.taken++
		records[i].Seq = l.taken
		records[i].ID = l.ids.next(now).String()
	}
	var dirty atomic.Int64
	full := l.fullTracks.Load()
	freezePart := func(from, to int) {
		for i := from; i < to; i++ {
			r := &records[i]
			if !freeze(r, &events[i], now) {
				dirty.Add(1)
				l.logger.Warn("event holds text that is not UTF-8, replaced", "seq", r.Seq, "event", r.Name, "room_sid", r.RoomSID)
			}
			if full {
				freezeFull(r, &events[i])
			}
		}
	}
	workers := max(min(runtime.GOMAXPROCS(0), len(events)/share), 1)
	part := (len(events) + workers - 1) / workers
	var wg sync.WaitGroup
	for from := part; from < len(events); from += part {
		wg.Go(func() { freezePart(from, min(from+part, len(events))) })
	}
	freezePart(0, min(part, len(events)))
	wg.Wait()
	return records, int(dirty.Load())
}

// fill puts records into b, until it is full, with their RoomSeqs and what they
// change in the index, and returns the rest.
func (l *Log) fill(b *Batch, records []event.Record, now time.Time) (rest []event.Record, err error) {
	l.sessions.forget()
	now = now.Truncate(time.Microsecond).UTC()
	size := 0
	for i := range records {
		if size >= maxGroupBytes {
			b.Records = records[:i]
			l.sessions.history.write(b)
			return records[i:], nil
		}
		r := &records[i]
		size += len(r.Body) + len(r.FullBody)
		r.Committed = now
		if r.RoomSID == "" {
			continue
		}
		k := l.kinds[r.Name]
		s, err := l.sessions.of(r.Room, r.RoomSID, k.opens && k.scope == event.ScopeRoom)
		if err != nil {
			return nil, fmt.Errorf("load session %s of room %q: %w", r.RoomSID, r.Room, err)
		}
		s.seq++
		r.RoomSeq = s.seq
		if r.Tags == nil {
			r.Tags = s.tags // reported by somebody who does not know them: an agent's job
		}
		s.tags = r.Tags
		b.Index = l.sessions.index(b.Index, s, r, k)
		s.past = l.sessions.history.note(s.past, r, k)
	}
	b.Records = records
	l.sessions.history.write(b)
	return nil, nil
}

// freeze fills in the record of e and reports whether that went as it is. Text
// that is not UTF-8 does not go into a body and is replaced; the record's own
// fields follow the body, so that a lane is what its receiver reads.
func freeze(r *event.Record, e *event.Event, now time.Time) (clean bool) {
	if e.Time.IsZero() {
		e.Time = now
	}
	body, err := e.Body(r.ID)
	if err != nil {
		*e = e.ValidUTF8()
		if body, err = e.Body(r.ID); err != nil {
			// Nothing but text can fail; if it does, the event keeps its place.
			*e = bare(e)
			body, err = e.Body(r.ID)
		}
		if err != nil {
			panic("BUG: the body of a bare event: " + err.Error())
		}
	} else {
		clean = true
	}
	r.Name = e.Name
	r.Room = e.Room.GetName()
	r.RoomSID = e.Room.GetSid()
	r.ParticipantSID = e.Participant.GetSid()
	r.Identity = e.Participant.GetIdentity()
	r.TrackSID = e.Track.GetSid()
	r.Time = e.Time.Truncate(time.Microsecond).UTC()
	r.Synthesized = e.Synthesized
	r.Actor = e.Actor
	r.Reason = e.Reason
	r.Tags = e.Tags
	r.Body = body
	return clean
}

// freezeFull fills in the full body of e, which freeze has made valid.
func freezeFull(r *event.Record, e *event.Event) {
	body, err := e.FullBody(r.ID)
	if err != nil {
		// The whole room and participant can hold what the short body leaves
		// out, and the lane is that of the short one.
		valid := e.ValidUTF8()
		if body, err = valid.FullBody(r.ID); err != nil {
			return
		}
	}
	r.FullBody = body
}

// bare returns e with no more than what identifies it.
func bare(e *event.Event) event.Event {
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	b := event.Event{
		Name: event.Name(valid(string(e.Name))), Time: e.Time, Synthesized: e.Synthesized,
		Actor: event.Actor(valid(string(e.Actor))), Reason: valid(e.Reason),
		Room: &livekit.Room{Sid: valid(e.Room.GetSid()), Name: valid(e.Room.GetName())},
	}
	if e.Participant != nil {
		b.Participant = &livekit.ParticipantInfo{Sid: valid(e.Participant.Sid), Identity: valid(e.Participant.Identity)}
	}
	if e.Track != nil {
		b.Track = &livekit.TrackInfo{Sid: valid(e.Track.Sid)}
	}
	return b
}
