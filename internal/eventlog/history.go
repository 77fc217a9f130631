package eventlog

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// The list of room sessions is kept among the log's own values, written in the
// same batches as the events that it tells of:
//
//	session/ 16 hex digits, the complement of the Seq of the first event -> the session
//	sid/ sid -> that Seq, 8 bytes big endian
//	history -> 1: sessions are listed from the first event of the log on
//
// so that the newest come first and none is looked for among events.
const (
	prefixSession = reserved + "session/"
	prefixSID     = reserved + "sid/"
	keyHistory    = reserved + "history"
	sessionV1     = 1
	// scanSessions is how many sessions one call of Sessions looks at.
	scanSessions = 1 << 16
)

func sessionKey(first uint64) string {
	key := make([]byte, 0, len(prefixSession)+16)
	key = append(key, prefixSession...)
	return string(hex.AppendEncode(key, binary.BigEndian.AppendUint64(nil, ^first)))
}

// appendSession appends the stored form of s: a version, flags, uvarints of
// First, Last, Events and Participants, varints of the times in µs since 1970,
// and the texts, each uvarint length and bytes. SID and Room come first: a
// search looks at them alone.
func appendSession(b []byte, s *event.Session) []byte {
	var flags byte
	if s.Synthesized {
		flags = flagSynthesized
	}
	b = append(b, sessionV1, flags)
	for _, text := range [...]string{s.SID, s.Room, string(s.Actor), s.Reason} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	for _, n := range [...]uint64{s.First, s.Last, s.Events, s.Participants} {
		b = binary.AppendUvarint(b, n)
	}
	for _, t := range [...]time.Time{s.Started, s.Ended} {
		us := int64(0)
		if !t.IsZero() {
			us = t.UnixMicro()
		}
		b = binary.AppendVarint(b, us)
	}
	return b
}

var errSession = errors.New("malformed session")

// decodeSession reads what appendSession wrote.
func decodeSession(b []byte) (event.Session, error) {
	var s event.Session
	if len(b) < 2 || b[0] != sessionV1 {
		return s, errSession
	}
	s.Synthesized = b[1]&flagSynthesized != 0
	b = b[2:]
	var texts [4]string
	for i := range texts {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return s, errSession
		}
		texts[i], b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	s.SID, s.Room, s.Actor, s.Reason = texts[0], texts[1], event.Actor(texts[2]), texts[3]
	for _, n := range [...]*uint64{&s.First, &s.Last, &s.Events, &s.Participants} {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return s, errSession
		}
		*n, b = v, b[size:]
	}
	for _, t := range [...]*time.Time{&s.Started, &s.Ended} {
		us, size := binary.Varint(b)
		if size <= 0 {
			return s, errSession
		}
		if us != 0 {
			*t = time.UnixMicro(us).UTC()
		}
		b = b[size:]
	}
	if len(b) > 0 {
		return s, errSession
	}
	return s, nil
}

// history collects what a batch changes in the list of sessions.
type history struct {
	whole   bool // the store has keyHistory
	changed map[string]*event.Session
	fresh   []*event.Session // of those, the ones not listed yet
}

// note takes up what r says of its session, which is listed as past: nil if it is
// not, and then it is listed if r is of its life. It returns how it is listed now.
func (h *history) note(past *event.Session, r *event.Record, k kind) *event.Session {
	switch {
	case k.scope != event.ScopeRoom && k.scope != event.ScopeParticipant && k.scope != event.ScopeTrack:
		return past
	case past == nil && (k.closes || r.RoomSeq > 1):
		return nil // a latecomer of one that is over
	case past == nil:
		past = &event.Session{Room: r.Room, SID: r.RoomSID, First: r.Seq, Started: r.Time}
		h.fresh = append(h.fresh, past)
	case past.Last > 0:
		return past
	case r.Name == event.ParticipantJoined, r.Name == event.RoomFinished:
	default:
		return past
	}
	switch r.Name {
	case event.ParticipantJoined:
		past.Participants++
	case event.RoomFinished:
		past.Last, past.Events, past.Ended = r.Seq, r.RoomSeq, r.Time
		past.Actor, past.Reason, past.Synthesized = r.Actor, r.Reason, r.Synthesized
	}
	if h.changed == nil {
		h.changed = make(map[string]*event.Session)
	}
	h.changed[r.RoomSID] = past
	return past
}

// write moves what has changed into a batch.
func (h *history) write(b *Batch) {
	if len(h.changed) == 0 {
		return
	}
	values := make(map[string][]byte, len(b.Cursors)+len(h.changed)+len(h.fresh)+1)
	maps.Copy(values, b.Cursors) // the map is also others'
	for _, s := range h.changed {
		values[sessionKey(s.First)] = appendSession(nil, s)
	}
	for _, s := range h.fresh {
		values[prefixSID+s.SID] = binary.BigEndian.AppendUint64(nil, s.First)
	}
	if !h.whole {
		h.whole = true
		values[keyHistory] = []byte{1}
	}
	b.Cursors = values
	clear(h.changed)
	h.fresh = h.fresh[:0]
}

// listed returns how the store lists the session, nil if it does not.
func listed(store Store, sid string) (*event.Session, error) {
	values, err := store.Values(prefixSID+sid, "", 1)
	if err != nil || len(values) == 0 || values[0].Key != prefixSID+sid || len(values[0].Value) != 8 {
		return nil, err
	}
	key := sessionKey(binary.BigEndian.Uint64(values[0].Value))
	if values, err = store.Values(key, "", 1); err != nil || len(values) == 0 {
		return nil, err
	}
	s, err := decodeSession(values[0].Value)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", sid, err)
	}
	return &s, nil
}

// loadHistory finds out whether the store lists its sessions. A log that was
// written before there was a list gets one, which takes about as long as reading it.
func (l *Log) loadHistory(last uint64) error {
	values, err := l.store.Values(keyHistory, "", 1)
	if err != nil {
		return fmt.Errorf("load the list of sessions: %w", err)
	}
	h := &l.sessions.history
	if h.whole = len(values) > 0; h.whole || last == 0 {
		return nil
	}
	l.logger.Info("listing the room sessions of a log that has no list yet", "events", last)
	open := make(map[string]*event.Session)
	for after := uint64(0); after < last; {
		records, err := l.store.Read("", after, MaxRead)
		if corrupt, ok := errors.AsType[*CorruptError](err); ok && len(records) == 0 {
			after = max(corrupt.Seq, after+1)
			continue
		}
		if len(records) == 0 {
			if err != nil {
				return fmt.Errorf("list sessions: %w", err)
			}
			break
		}
		for i := range records {
			r := &records[i]
			after = r.Seq
			if r.RoomSID == "" {
				continue
			}
			k := l.kinds[r.Name]
			past := open[r.RoomSID]
			if past == nil && r.RoomSeq > 1 && !k.closes {
				// Its beginning has left the log.
				first := *r
				first.RoomSeq = 1
				r = &first
			}
			if past = h.note(past, r, k); past != nil && past.Last > 0 {
				delete(open, r.RoomSID)
			} else if past != nil {
				open[r.RoomSID] = past
			}
		}
		b := new(Batch)
		h.whole = after < last // not before the last batch
		h.write(b)
		if len(b.Cursors) > 0 {
			if err := l.store.Apply(b); err != nil {
				return fmt.Errorf("list sessions: %w", err)
			}
		}
	}
	h.whole = false // what is written next says so once more
	return nil
}

// Sessions returns room sessions for which match is true, or all for nil, the
// newest first: of those whose first event has a Seq below before, or all for 0. It
// returns at most limit, and looks at a bounded number; cursor is the before of the
// next call, done says that there are no more.
func (l *Log) Sessions(ctx context.Context, before uint64, limit int, match func(*event.Session) bool) (found []event.Session, cursor uint64, done bool, err error) {
	durable, err := l.readable(ctx)
	if err != nil || limit <= 0 {
		return nil, before, false, err
	}
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return nil, before, false, err
	}
	if before == 0 || before > durable {
		before = durable + 1
	}
	cursor = before
	after := sessionKey(before)
	for looked := 0; looked < scanSessions; {
		values, err := l.store.Values(prefixSession, after, min(MaxRead, scanSessions-looked))
		if err != nil {
			return nil, cursor, false, fmt.Errorf("list sessions: %w", err)
		}
		if len(values) == 0 {
			return found, cursor, true, nil
		}
		looked += len(values)
		after = values[len(values)-1].Key
		for _, v := range values {
			s, err := decodeSession(v.Value)
			if err != nil {
				return nil, cursor, false, fmt.Errorf("list sessions: %q: %w", v.Key, err)
			}
			cursor = s.First
			if s.Last > 0 && s.Last < l.First() || match != nil && !match(&s) {
				continue
			}
			if err := l.complete(&s, durable); err != nil {
				return nil, cursor, false, err
			}
			if found = append(found, s); len(found) == limit {
				return found, cursor, false, nil
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, cursor, false, err
		}
	}
	return found, cursor, false, nil
}

// Session returns the room session of that sid, or ErrNotFound.
func (l *Log) Session(ctx context.Context, sid string) (event.Session, error) {
	durable, err := l.readable(ctx)
	if err != nil {
		return event.Session{}, err
	}
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return event.Session{}, err
	}
	s, err := listed(l.store, sid)
	switch {
	case err != nil:
		return event.Session{}, fmt.Errorf("find session %.64q: %w", sid, err)
	case s == nil || s.First > durable || s.Last > 0 && s.Last < l.First():
		return event.Session{}, fmt.Errorf("find session %.64q: %w", sid, ErrNotFound)
	}
	return *s, l.complete(s, durable)
}

// complete counts the events of a session that is open, or was when the log ended
// at durable.
func (l *Log) complete(s *event.Session, durable uint64) error {
	if s.Last > durable {
		s.Last, s.Ended, s.Actor, s.Reason, s.Synthesized = 0, time.Time{}, "", "", false
	}
	if s.Last > 0 {
		return nil
	}
	roomSeq, _, err := l.store.RoomSeq(s.Room, s.SID)
	s.Events = roomSeq
	if err != nil {
		return fmt.Errorf("count events of session %s: %w", s.SID, err)
	}
	return nil
}

// forgetSessions takes those out of the list that ended before first.
func (l *Log) forgetSessions(first uint64) error {
	for after := sessionKey(first); ; {
		values, err := l.store.Values(prefixSession, after, MaxRead)
		if err != nil {
			return fmt.Errorf("trim the list of sessions: %w", err)
		}
		if len(values) == 0 {
			return nil
		}
		var gone []string
		for _, v := range values {
			after = v.Key
			if s, err := decodeSession(v.Value); err == nil && s.Last > 0 && s.Last < first {
				gone = append(gone, v.Key, prefixSID+s.SID)
			}
		}
		if len(gone) > 0 {
			l.SaveCursors(nil, gone)
		}
		select {
		case <-l.stopc:
			return nil
		default:
		}
	}
}
