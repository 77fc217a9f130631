package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// allEndpoints is Endpoints, which has a method of that name.
type allEndpoints = Endpoints

// hookEndpoints are endpoints of rooms of which the second cannot be bound.
type hookEndpoints struct {
	allEndpoints
	there map[string]string // the session, by id
	binds int
}

func (h *hookEndpoints) PutRoom(_ context.Context, _ string, hooks []delivery.Endpoint) ([]delivery.Endpoint, error) {
	for i := range hooks {
		hooks[i].ID = fmt.Sprint("room_", i)
		h.there[hooks[i].ID] = ""
	}
	return hooks, nil
}

func (h *hookEndpoints) Bind(_ context.Context, id, session string) (delivery.Endpoint, error) {
	if h.binds++; h.binds == 2 {
		return delivery.Endpoint{}, errors.New("the disk is full")
	}
	h.there[id] = session
	return delivery.Endpoint{ID: id, Session: session}, nil
}

func (h *hookEndpoints) Drop(_ context.Context, endpoints []delivery.Endpoint) error {
	for _, ep := range endpoints {
		delete(h.there, ep.ID)
	}
	return nil
}

// One that is bound to no session would get nothing, and keep its place in the log.
func TestEndpointsOfARoomThatAreNotBoundAreDropped(t *testing.T) {
	h := &hookEndpoints{there: make(map[string]string)}
	s := &roomService{rooms: newMemRooms(), endpoints: h}
	_, err := s.createWithHooks(t.Context(), &livekit.CreateRoomRequest{Name: "den"}, make([]delivery.Endpoint, 3))
	if err == nil || len(h.there) != 0 {
		t.Errorf("createWithHooks = %v, endpoints are left: %v", err, slices.Collect(maps.Keys(h.there)))
	}
	h.binds = 2
	room, err := s.createWithHooks(t.Context(), &livekit.CreateRoomRequest{Name: "den"}, make([]delivery.Endpoint, 3))
	if err != nil || len(h.there) != 3 || h.there["room_2"] != room.Sid {
		t.Errorf("createWithHooks = %v, endpoints %v", err, h.there)
	}
}
