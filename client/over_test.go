package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
)

// Who is away when it is over, and comes back, is told why.
func TestWhoComesBackTooLateIsToldWhyItIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(s *site) error
		reason livekit.DisconnectReason
	}{
		"room deleted": {func(s *site) error {
			api, ctx := s.api()
			_, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: s.t.Name()})
			return err
		}, livekit.DisconnectReason_ROOM_DELETED},
		"removed": {func(s *site) error {
			api, ctx := s.api()
			_, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: s.t.Name(), Identity: "alice"})
			return err
		}, livekit.DisconnectReason_PARTICIPANT_REMOVED},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, _ *site, mode func(*client.Options)) {
				s := rollcall(t)
				p := newProxy(t, s)
				away := *s
				away.url = p.url()
				record, on := recording(t)
				room := away.join("alice", on, mode, quickly)
				eventually(t, s.join("bob"), "alice is seen", func(st *client.State) bool { return len(st.Participants) == 1 })
				p.setDown(true)
				p.cut()
				next[client.Reconnecting](record)
				if err := c.end(s); err != nil {
					t.Fatal(err)
				}
				p.setDown(false)
				if e := next[client.Disconnected](record); e.Reason != c.reason || e.Err != nil {
					t.Errorf("%s (%v), want %s", e.Reason, e.Err, c.reason)
				}
				<-room.Done()
			})
		})
	}
}

// What kept the last attempt from coming back is said with that it was the last.
func TestWhoseRoomIsNotThereAnyMoreIsToldSo(t *testing.T) {
	s := rollcall(t)
	p := newProxy(t, s)
	s.url = p.url()
	record, on := recording(t)
	room := s.join("alice", on, func(o *client.Options) {
		o.Reconnect = client.ReconnectPolicy{Attempts: 5, Delay: func(int) time.Duration { return 0 }}
	})
	eventually(t, s.join("bob"), "alice is seen", func(st *client.State) bool { return len(st.Participants) == 1 })
	p.mu.Lock()
	p.to = serving.Run(t, options("room: {auto_create: false}")).Addr().String()
	p.mu.Unlock()
	p.cut()
	e := next[client.Disconnected](record)
	refused, ok := errors.AsType[*client.ConnectError](e.Err)
	if !errors.Is(e.Err, client.ErrReconnectFailed) || !errors.Is(e.Err, client.ErrRoomNotFound) || !ok || refused.Status != http.StatusNotFound {
		t.Errorf("%s (%v)", e.Reason, e.Err)
	}
	<-room.Done()
}

func TestRefusalHasWhatTheServerSaid(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		is     error // nil: none of ours
		over   livekit.DisconnectReason
	}{
		{http.StatusUnauthorized, "token was revoked when the participant was removed", client.ErrUnauthorized, 0},
		{http.StatusForbidden, "not from here", client.ErrUnauthorized, 0},
		{http.StatusForbidden, "", client.ErrUnauthorized, 0},
		{http.StatusForbidden, "session is over: DUPLICATE_IDENTITY", nil, livekit.DisconnectReason_DUPLICATE_IDENTITY},
		{http.StatusForbidden, "session is over: WHATEVER", client.ErrUnauthorized, 0},
		{http.StatusNotFound, "requested room does not exist", client.ErrRoomNotFound, 0},
		{http.StatusNotFound, "nothing of this name", nil, 0},
		{http.StatusServiceUnavailable, "server is stopping, try again later", nil, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, c.body, c.status) }))
		for _, mode := range []client.Options{{}, {SinglePeerConnection: true}} {
			_, err := client.Connect(t.Context(), server.URL, "token", mode)
			e, ok := errors.AsType[*client.ConnectError](err)
			if !ok || e.Status != c.status || e.Message != c.body {
				t.Errorf("%d %q: %#v", c.status, c.body, err)
			}
			for _, ours := range []error{client.ErrUnauthorized, client.ErrRoomNotFound} {
				if errors.Is(err, ours) != (ours == c.is) {
					t.Errorf("%d %q: %v is %v: %t", c.status, c.body, err, ours, ours != c.is)
				}
			}
			over, ok := errors.AsType[*client.LeaveError](err)
			if ok != (c.over != 0) || ok && over.Reason != c.over {
				t.Errorf("%d %q: %v", c.status, c.body, over)
			}
		}
		server.Close()
	}
}
