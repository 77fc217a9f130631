package client_test

import (
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Who was moved is under another sid, and goes on to hear of itself.
func TestWhoIsMovedKnowsItself(t *testing.T) {
	s := rollcall(t)
	told, on := recording(t)
	ana := s.join("ana", on)
	before := ana.Local().SID()
	eventually(t, s.join("bob"), "ana is seen, and so can be moved", func(st *client.State) bool { return len(st.Participants) == 1 })
	api := func(room, destination string) livekit.RoomService {
		raw := s.token("admin", func(c *token.Claims) {
			c.Video = &token.VideoGrant{RoomAdmin: true, Room: room, DestinationRoom: destination}
		})
		return livekit.NewRoomServiceProtobufClient("http"+strings.TrimPrefix(s.url, "ws"), bearer{raw})
	}
	_, err := api(t.Name(), "attic").MoveParticipant(s.context(), &livekit.MoveParticipantRequest{Room: t.Name(), Identity: "ana", DestinationRoom: "attic"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := api("attic", "").UpdateParticipant(s.context(), &livekit.UpdateParticipantRequest{
		Room: "attic", Identity: "ana", Metadata: "after the move", Permission: &livekit.ParticipantPermission{CanSubscribe: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := next[client.ParticipantMetadataChanged](told); e.Participant != ana.Local() || e.Metadata != "after the move" {
		t.Errorf("told %+v", e)
	}
	if e := next[client.ParticipantPermissionsChanged](told); e.Participant != ana.Local() || e.Permissions.GetCanPublish() {
		t.Errorf("told %+v", e)
	}
	if got := ana.Local().SID(); got != info.Sid || got == before {
		t.Errorf("the sid is %s, was %s before the move, and %s is the server's", got, before, info.Sid)
	}
}
