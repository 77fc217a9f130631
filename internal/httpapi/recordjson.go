package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/rollcall-rtc/rollcall/event"
)

// timeLayout is RFC 3339 in UTC, with microseconds.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// appendRecord appends r as /events shows it, a JSON object on one line; every
// field but tags is always there. It is written by hand: a client that catches up on
// millions of events waits for nothing else, and the body, which is the very
// bytes that the webhook signs, must pass untouched.
//
//	seq, roomSeq, id, name, time, room, roomSid, participantSid, identity,
//	trackSid, synthesized, actor, reason, committed, tags, body
//
// actor is who caused the event: client, server, api or crash. committed is when
// the log wrote it, null in records of a time when that was not kept. tags are those
// of the room, and there only if it has some.
func appendRecord(b []byte, r *event.Record) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(b, `,"roomSeq":`...)
	b = strconv.AppendUint(b, r.RoomSeq, 10)
	b = append(b, `,"id":`...)
	b = appendString(b, r.ID)
	b = append(b, `,"name":`...)
	b = appendString(b, string(r.Name))
	b = append(b, `,"time":"`...)
	b = r.Time.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","room":`...)
	b = appendString(b, r.Room)
	b = append(b, `,"roomSid":`...)
	b = appendString(b, r.RoomSID)
	b = append(b, `,"participantSid":`...)
	b = appendString(b, r.ParticipantSID)
	b = append(b, `,"identity":`...)
	b = appendString(b, r.Identity)
	b = append(b, `,"trackSid":`...)
	b = appendString(b, r.TrackSID)
	b = append(b, `,"synthesized":`...)
	b = strconv.AppendBool(b, r.Synthesized)
	b = append(b, `,"actor":`...)
	b = appendString(b, string(actorOf(r)))
	b = append(b, `,"reason":`...)
	b = appendString(b, r.Reason)
	b = append(b, `,"committed":`...)
	if r.Committed.IsZero() {
		b = append(b, "null"...)
	} else {
		b = append(r.Committed.UTC().AppendFormat(append(b, '"'), timeLayout), '"')
	}
	if len(r.Tags) > 0 {
		b = append(b, `,"tags":{`...)
		for i, name := range slices.Sorted(maps.Keys(r.Tags)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendString(b, r.Tags[name])
		}
		b = append(b, '}')
	}
	b = append(b, `,"body":`...)
	b = append(b, r.Body...)
	return append(b, '}')
}

// actorOf is the record's actor; who reports none means the client.
func actorOf(r *event.Record) event.Actor {
	if r.Actor == "" {
		return event.ActorClient
	}
	return r.Actor
}

// recordJSON is a record inside of another answer.
type recordJSON struct {
	*event.Record
}

// MarshalJSON implements json.Marshaler.
func (r recordJSON) MarshalJSON() ([]byte, error) { return appendRecord(nil, r.Record), nil }

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("BUG: marshal a string: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
