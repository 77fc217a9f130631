package event

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Body returns the event's webhook JSON under the given id: proto3 JSON of
// livekit.WebhookEvent in lowerCamelCase with zero values left out, as every
// LiveKit receiver parses it. Track events carry the room's sid and name and
// the participant's sid, identity and name, as LiveKit documents; all others
// the whole messages. No secret is in it. It fails on text that is not UTF-8.
func (e *Event) Body(id string) ([]byte, error) {
	w := &livekit.WebhookEvent{
		Event:         string(e.Name),
		Id:            id,
		CreatedAt:     e.Time.Unix(),
		Room:          withoutSecrets(e.Room),
		Participant:   e.Participant,
		Track:         e.Track,
		EgressInfo:    e.Egress,
		IngressInfo:   withoutStreamKey(e.Ingress),
		RoomEndReason: e.RoomEndReason,
	}
	if d, ok := Lookup(e.Name); ok && d.Scope == ScopeTrack {
		w.Room = &livekit.Room{Sid: e.Room.GetSid(), Name: e.Room.GetName()}
		w.Participant = &livekit.ParticipantInfo{
			Sid:      e.Participant.GetSid(),
			Identity: e.Participant.GetIdentity(),
			Name:     e.Participant.GetName(),
		}
	}
	raw, err := protojson.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", e.Name, err)
	}
	// protojson varies its white space from build to build; a golden file and a
	// reader with a diff should not see that.
	var body bytes.Buffer
	body.Grow(len(raw))
	if err := json.Compact(&body, raw); err != nil {
		return nil, fmt.Errorf("compact %s: %w", e.Name, err)
	}
	return body.Bytes(), nil
}

// withoutSecrets returns room without the TURN password that the message can carry.
func withoutSecrets(room *livekit.Room) *livekit.Room {
	if room.GetTurnPassword() == "" {
		return room
	}
	room = proto.CloneOf(room)
	room.TurnPassword = ""
	return room
}

// withoutStreamKey returns info without the key that lets anyone publish to it.
func withoutStreamKey(info *livekit.IngressInfo) *livekit.IngressInfo {
	if info.GetStreamKey() == "" {
		return info
	}
	info = proto.CloneOf(info)
	info.StreamKey = ""
	return info
}
