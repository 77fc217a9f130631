package room

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
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

// The clock was set back while the server was not there.
func TestRoomThatBeganLaterThanNowHasNotLastedForLessThanNoTime(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		tc.restored = map[string]string{"RM_before": "demo"}
		created := time.Now().Add(3 * time.Hour)
		tc.reg.Restore([]*livekit.Room{{Sid: "RM_before", Name: "demo", DepartureTimeout: 20, CreationTimeMs: created.UnixMilli()}}, unknownPast)
		sleep(time.Minute)
		for _, e := range tc.beyond {
			if d, ok := e.Detail.(*event.RoomTotals); ok {
				if d.DurationMS != 20_000 {
					t.Errorf("it lasted for %d ms, want the 20 s that it waited", d.DurationMS)
				}
				return
			}
		}
		t.Error("no summary")
	})
}
