package httpapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// memAgents is Agents in memory.
type memAgents struct{ made []*livekit.AgentDispatch }

func (m *memAgents) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "agent")
}

func (m *memAgents) CreateDispatch(_ context.Context, req *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	m.made = append(m.made, &livekit.AgentDispatch{Id: "AD_1", Room: req.Room, AgentName: req.AgentName})
	return m.made[len(m.made)-1], nil
}

func (m *memAgents) DeleteDispatch(_ context.Context, req *livekit.DeleteAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	for _, ad := range m.made {
		if ad.Id == req.DispatchId {
			return ad, nil
		}
	}
	return nil, refusal{"not_found", "requested dispatch does not exist"}
}

func (m *memAgents) ListDispatch(context.Context, *livekit.ListAgentDispatchRequest) (*livekit.ListAgentDispatchResponse, error) {
	return &livekit.ListAgentDispatchResponse{AgentDispatches: m.made}, nil
}

func TestDispatchServiceAsksForTheRoomsAdmin(t *testing.T) {
	a := newAPI(t)
	admin := mint(t, adminOf("blue"))
	client := livekit.NewAgentDispatchServiceJSONClient(a.URL, bearer(admin))
	ad, err := client.CreateDispatch(t.Context(), &livekit.CreateAgentDispatchRequest{Room: "blue", AgentName: "helper"})
	if err != nil || ad.AgentName != "helper" {
		t.Errorf("create: %v, %v", ad, err)
	}
	if list, err := client.ListDispatch(t.Context(), &livekit.ListAgentDispatchRequest{Room: "blue"}); err != nil || len(list.AgentDispatches) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := client.DeleteDispatch(t.Context(), &livekit.DeleteAgentDispatchRequest{Room: "blue", DispatchId: "AD_1"}); err != nil {
		t.Error(err)
	}
	const path = "/twirp/livekit.AgentDispatchService/"
	for _, call := range []string{"CreateDispatch", "DeleteDispatch", "ListDispatch"} {
		for what, raw := range map[string]string{
			"another room's": mint(t, adminOf("red")), "no admin's": mint(t, token.Claims{Video: &token.VideoGrant{RoomJoin: true, Room: "blue"}}),
		} {
			t.Run(call+" with "+what, func(t *testing.T) {
				resp := a.request(t, "POST", path+call, `{"room": "blue"}`, "Content-Type", "application/json", "Authorization", "Bearer "+raw)
				wantError(t, resp, 401, "unauthenticated", "grant")
			})
		}
	}
	resp := a.request(t, "POST", path+"DeleteDispatch", `{"room": "blue"}`, "Content-Type", "application/json", "Authorization", "Bearer "+admin)
	wantError(t, resp, 400, "invalid_argument", "dispatch_id")
	resp = a.request(t, "POST", path+"DeleteDispatch", `{"room": "blue", "dispatchId": "AD_2"}`, "Content-Type", "application/json", "Authorization", "Bearer "+admin)
	wantError(t, resp, 404, "not_found", "dispatch")
	resp = a.request(t, "GET", "/agent", "")
	if body, _ := io.ReadAll(resp.Body); strings.TrimSpace(string(body)) != "agent" {
		t.Errorf("/agent: %s", body)
	}
}
