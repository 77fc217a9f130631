package signal

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// otherwiseRooms are rooms in which alice came before the clock was set.
type otherwiseRooms struct {
	Rooms
	ahead time.Duration // how far hers is
	join  *room.Join    // the last
}

func (r *otherwiseRooms) ClockOf(_ context.Context, name, identity string) time.Time {
	if name != "demo" || identity != "alice" {
		return time.Time{}
	}
	return time.Now().Add(r.ahead)
}

func (r *otherwiseRooms) Join(ctx context.Context, req *room.Join, sink room.Sink) (*room.Participant, error) {
	r.join = req
	return r.Rooms.Join(ctx, req, sink)
}

func TestWhoComesBackAfterTheClockWasSetIsLetIn(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	rooms := &otherwiseRooms{Rooms: tc.reg}
	tc.handler.opts.Rooms = rooms
	server := httptest.NewServer(tc.handler)
	defer server.Close()
	// Her token of an hour is by that clock; and by ours it is over, or not valid yet.
	for _, ahead := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		rooms.ahead = ahead
		for name, tt := range map[string]struct {
			identity, room string
			made           time.Duration // by her clock
			letIn          bool
		}{
			"comes back":          {"alice", "demo", -30 * time.Minute, true},
			"over by both":        {"alice", "demo", -90*time.Minute - 2*ahead.Abs(), false},
			"somebody else":       {"bob", "demo", -30 * time.Minute, false},
			"into another room":   {"alice", "other", -30 * time.Minute, false},
			"without a room":      {"alice", "", -30 * time.Minute, false},
			"without an identity": {"", "demo", -30 * time.Minute, false},
		} {
			raw, err := token.Mint(key, secret, &token.Claims{Identity: tt.identity, Video: &token.VideoGrant{RoomJoin: true, Room: tt.room}},
				time.Now().Add(ahead+tt.made), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.Get(server.URL + "/rtc/validate?protocol=16&access_token=" + raw)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			refused := resp.StatusCode == http.StatusUnauthorized && strings.Contains(string(text), "invalid token")
			if (resp.StatusCode == http.StatusOK) != tt.letIn || refused == tt.letIn {
				t.Errorf("%v, %s: %d %s", ahead, name, resp.StatusCode, text)
			}
			if !tt.letIn {
				continue
			}
			query := url.Values{"protocol": {"16"}, "access_token": {raw}}
			conn, _, err := websocket.Dial(context.Background(), server.URL+"/rtc?"+query.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.CloseNow()
			if off := time.Until(rooms.join.At) - ahead; off.Abs() > time.Minute {
				t.Errorf("%v: her clock is %v off in her next session", ahead, off)
			}
		}
	}
}
