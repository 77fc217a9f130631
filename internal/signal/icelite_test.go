package signal

import (
	"net/url"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/room"
)

func TestClientSaysInEitherHandshakeThatItWantsNoICELite(t *testing.T) {
	for _, without := range []bool{false, true} {
		byQuery := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		q := url.Values{}
		if without {
			q.Set("disable_ice_lite", "1")
		}
		if err := byQuery.readParameters(q); err != nil {
			t.Fatal(err)
		}
		byRequest := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		m := &livekit.JoinRequest{ConnectionSettings: &livekit.ConnectionSettings{DisableIceLite: without}}
		if err := byRequest.readWrapped(wrap(t, m, false, true)); err != nil {
			t.Fatal(err)
		}
		if byQuery.join.FullICE != without || byRequest.join.FullICE != without {
			t.Errorf("said %v: by query %v, by request %v", without, byQuery.join.FullICE, byRequest.join.FullICE)
		}
	}
}
