package httpapi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
)

// refusal is an error as package room makes them.
type refusal struct{ code, msg string }

func (e refusal) Error() string     { return e.msg }
func (e refusal) ErrorCode() string { return e.code }

var (
	errNoRoom        = refusal{"not_found", "requested room does not exist"}
	errNoParticipant = refusal{"not_found", "participant does not exist"}
)

// memRooms is Rooms and Participants in memory.
type memRooms struct {
	mu      sync.Mutex
	fail    error                    // mu guards; what each call returns, if set
	rooms   map[string]*livekit.Room // mu guards
	in      map[string]*livekit.ParticipantInfo
	sent    []string
	revoked time.Time // of the last removal
}

func newMemRooms() *memRooms {
	return &memRooms{rooms: map[string]*livekit.Room{}, in: map[string]*livekit.ParticipantInfo{}}
}

func (m *memRooms) join(room, identity string) {
	m.rooms[room] = &livekit.Room{Sid: "RM_" + room, Name: room}
	m.in[room+"/"+identity] = &livekit.ParticipantInfo{Sid: "PA_" + identity, Identity: identity,
		Tracks: []*livekit.TrackInfo{{Sid: "TR_1"}}}
}

func (m *memRooms) room(name string) (*livekit.Room, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if r := m.rooms[name]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("find room: %w", errNoRoom)
}

func (m *memRooms) participant(room, identity string) (*livekit.ParticipantInfo, error) {
	if _, err := m.room(room); err != nil {
		return nil, err
	}
	if p := m.in[room+"/"+identity]; p != nil {
		return p, nil
	}
	return nil, errNoParticipant
}

func (m *memRooms) Create(_ context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.rooms[req.Name] = &livekit.Room{Sid: "RM_" + req.Name, Name: req.Name, EmptyTimeout: req.EmptyTimeout, Metadata: req.Metadata}
	return m.rooms[req.Name], nil
}

func (m *memRooms) List(_ context.Context, names []string) (list []*livekit.Room, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.rooms {
		if len(names) == 0 || slices.Contains(names, name) {
			list = append(list, r)
		}
	}
	return list, m.fail
}

func (m *memRooms) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.room(name)
	delete(m.rooms, name)
	return err
}

func (m *memRooms) UpdateRoomMetadata(_ context.Context, name, metadata string) (*livekit.Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.room(name)
	if err == nil {
		r.Metadata = metadata
	}
	return r, err
}

func (m *memRooms) SendData(_ context.Context, req *livekit.SendDataRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.room(req.Room)
	if err == nil {
		m.sent = append(m.sent, string(req.Data))
	}
	return err
}

func (m *memRooms) ListParticipants(_ context.Context, room string) (list []*livekit.ParticipantInfo, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, p := range m.in {
		if strings.HasPrefix(at, room+"/") {
			list = append(list, p)
		}
	}
	_, err := m.room(room)
	return list, err
}

func (m *memRooms) Participant(_ context.Context, room, identity string) (*livekit.ParticipantInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.participant(room, identity)
}

func (m *memRooms) RemoveParticipant(_ context.Context, room, identity string, revoked time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked = revoked
	_, err := m.participant(room, identity)
	delete(m.in, room+"/"+identity)
	return err
}

func (m *memRooms) MoveParticipant(_ context.Context, req *livekit.MoveParticipantRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}

func (m *memRooms) ForwardParticipant(_ context.Context, req *livekit.ForwardParticipantRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}

func (m *memRooms) PerformRPC(_ context.Context, req *livekit.PerformRpcRequest) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.DestinationIdentity)
	return req.Method + "(" + req.Payload + ")", err
}

func (m *memRooms) MuteTrack(_ context.Context, room, identity, trackSID string, muted bool) (*livekit.TrackInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.participant(room, identity); err != nil {
		return nil, err
	}
	return &livekit.TrackInfo{Sid: trackSID, Muted: muted}, nil
}

func (m *memRooms) UpdateParticipant(_ context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.participant(req.Room, req.Identity)
	if err == nil {
		p.Name, p.Attributes = req.Name, req.Attributes
	}
	return p, err
}

func (m *memRooms) UpdateSubscriptions(_ context.Context, req *livekit.UpdateSubscriptionsRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}
