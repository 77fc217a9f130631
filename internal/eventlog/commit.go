package eventlog

import (
	"fmt"
	"strings"
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
	for {
		var cursors map[string][]byte
		var more bool
		events, cursors, more = l.take(events[:0])
		if len(events) == 0 && len(cursors) == 0 {
			if !more {
				return
			}
			<-l.wake
			continue
		}
		for rest := events; ; {
			b := &Batch{Cursors: cursors}
			var sanitized int
			var err error
			rest, sanitized, err = l.freezeGroup(b, rest)
			if err != nil {
				l.fail(err)
				return
			}
			stall.Reset(l.stallTimeout)
			err = l.store.Apply(b)
			stall.Stop()
			if err != nil {
				l.fail(err)
				return
			}
			if !l.publish(b, sanitized) {
				return
			}
			if cursors = nil; len(rest) == 0 {
				break
			}
		}
		clear(events) // the payloads are not held longer than needed
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
	n := min(l.count, cap(events))
	for range n {
		events = append(events, l.ring[l.head])
		l.ring[l.head] = event.Event{}
		if l.head++; l.head == len(l.ring) {
			l.head = 0
		}
	}
	l.count -= n
	if n > 0 {
		l.space.Broadcast()
	}
	if n > 0 || l.cursorsDue || l.closing && len(l.cursors) > 0 {
		l.cursorTimer.Stop()
		l.cursorsDue = false
		l.inFlight, l.cursors = l.cursors, nil
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
	l.stats.Groups++
	l.stats.Sanitized += uint64(sanitized)
	if n := len(b.Records); n > 0 {
		l.durable = b.Records[n-1].Seq
		close(l.committed)
		l.committed = make(chan struct{})
	}
	return true
}

// freezeGroup turns events into records of b, until it is full, and returns the
// rest, and how many had to be sanitized.
func (l *Log) freezeGroup(b *Batch, events []event.Event) (rest []event.Event, sanitized int, err error) {
	if len(events) == 0 {
		return nil, 0, nil
	}
	l.sessions.forget()
	b.Records = make([]event.Record, 0, len(events))
	now := time.Now()
	size := 0
	for i := range events {
		if size >= maxGroupBytes {
			return events[i:], sanitized, nil
		}
		l.taken++
		r := event.Record{Seq: l.taken, ID: l.ids.next(now).String()}
		if !freeze(&r, &events[i], now) {
			sanitized++
			l.logger.Warn("event holds text that is not UTF-8, replaced", "seq", r.Seq, "event", r.Name, "room_sid", r.RoomSID)
		}
		if r.RoomSID != "" {
			s, err := l.sessions.of(r.Room, r.RoomSID)
			if err != nil {
				return nil, 0, fmt.Errorf("load session %s of room %q: %w", r.RoomSID, r.Room, err)
			}
			s.seq++
			r.RoomSeq = s.seq
			b.Index = l.sessions.index(b.Index, s, &r, l.kinds[r.Name])
		}
		size += len(r.Body)
		b.Records = append(b.Records, r)
	}
	return nil, sanitized, nil
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
	r.Body = body
	return clean
}

// bare returns e with no more than what identifies it.
func bare(e *event.Event) event.Event {
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	b := event.Event{
		Name: event.Name(valid(string(e.Name))), Time: e.Time, Synthesized: e.Synthesized,
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
