package room

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

func unknownPast(*livekit.Room) *Past { return nil }

func TestRestoredRoomWaitsForThoseWhoComeBack(t *testing.T) {
	left := func() []*livekit.Room {
		return []*livekit.Room{{Sid: "RM_before", Name: "demo", Metadata: "kept", DepartureTimeout: 20, NumParticipants: 3, NumPublishers: 1}}
	}
	for name, tt := range map[string]struct {
		back bool
		want []string
	}{
		"somebody returns": {true, []string{"participant_joined alice 1/0", "participant_left alice 0/0", "room_finished 0/0"}},
		"nobody returns":   {false, []string{"room_finished 0/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				tc.restored = map[string]string{"RM_before": "demo"}
				tc.reg.Restore(left(), unknownPast)
				tc.reg.Restore(left(), unknownPast) // harmless
				sleep(10 * time.Second)
				if tt.back {
					c := tc.enter("demo", "alice")
					c.sink.mu.Lock()
					sid := c.sink.messages[0].GetJoin().GetRoom().GetSid()
					c.sink.mu.Unlock()
					if sid != "RM_before" {
						t.Errorf("alice is in %s", sid)
					}
					sleep(time.Minute)
					c.leave()
				}
				sleep(21 * time.Second)
				tc.wantEvents("no second start", tt.want...)
			})
		})
	}
}
