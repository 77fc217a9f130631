package event

import (
	"encoding/json"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// Body returns the event's webhook JSON under the given id: proto3 JSON of
// livekit.WebhookEvent in lowerCamelCase with zero values left out, as every
// LiveKit receiver parses it. Track events carry the room's sid and name and
// the participant's sid, identity and name, as LiveKit documents; all others
// the whole messages. An event beyond LiveKit's has its Detail in a field
// "rollcall". No secret is in it. It fails on text that is not UTF-8.
func (e *Event) Body(id string) ([]byte, error) { return e.body(id, false) }

// FullBody is Body with the whole room and participant in track events too. It is
// nil for all other events, whose Body is full.
func (e *Event) FullBody(id string) ([]byte, error) {
	if d, known := Lookup(e.Name); !known || d.Scope != ScopeTrack {
		return nil, nil
	}
	return e.body(id, true)
}

func (e *Event) body(id string, full bool) ([]byte, error) {
	w := &livekit.WebhookEvent{
		Event:         string(e.Name),
		Id:            id,
		CreatedAt:     e.Time.Unix(),
		Room:          withoutSecrets(e.Room),
		Participant:   e.Participant,
		Track:         e.Track,
		EgressInfo:    scrubbed(e.Egress),
		IngressInfo:   scrubbed(e.Ingress),
		Job:           scrubbed(e.Job),
		RoomEndReason: e.RoomEndReason,
	}
	d, known := Lookup(e.Name)
	if known && d.Scope == ScopeTrack && !full {
		w.Room = &livekit.Room{Sid: e.Room.GetSid(), Name: e.Room.GetName()}
		w.Participant = &livekit.ParticipantInfo{
			Sid:      e.Participant.GetSid(),
			Identity: e.Participant.GetIdentity(),
			Name:     e.Participant.GetName(),
		}
	}
	body := encode(w)
	if body == nil {
		raw, err := protojson.Marshal(w)
		if err != nil {
			return nil, fmt.Errorf("marshal %s: %w", e.Name, err)
		}
		body = compact(raw)
	}
	if e.Detail == nil || known && d.Stock {
		return body, nil
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return nil, fmt.Errorf("marshal detail of %s: %w", e.Name, err)
	}
	body = append(body[:len(body)-1], `,"rollcall":`...) // there is always a field before it
	return append(append(body, detail...), '}'), nil
}

// compact takes out, in place, the spaces with which protojson varies its output
// from build to build: a golden file and a reader with a diff should not see
// them. Outside of strings protojson writes no other white space.
func compact(b []byte) []byte {
	out := b[:0]
	for len(b) > 0 {
		switch b[0] {
		case ' ':
			b = b[1:]
		case '"':
			end := 1
			for b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			out = append(out, b[:end+1]...)
			b = b[end+1:]
		default:
			out = append(out, b[0])
			b = b[1:]
		}
	}
	return out
}
