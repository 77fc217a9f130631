package room

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// mutes has the client mute and unmute its camera n times, as fast as it is listened to,
// and returns how long that takes.
func (c *client) mutes(n int) time.Duration {
	sid, begin := c.p().tracks[0].info.Sid, time.Now()
	for i := range n {
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: i%2 == 0}}})
		c.h.Rest(context.Background())
	}
	return time.Since(begin)
}

func TestWhoHasOthersToldOfTooMuchIsListenedToMoreSlowly(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		bob.publishCamera()
		const n = 1000
		if took := alice.mutes(n); took > 0 {
			t.Errorf("who has little to tell waits for %v", took)
		}
		metadata := strings.Repeat("x", 500_000)
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: metadata}}})
		least := time.Duration(n*len(metadata)*(2+logShare)-changeBurst) * time.Second / changeRate
		if took := alice.mutes(n); took < least || took > least*11/10 {
			t.Errorf("who has much to tell waits for %v, want %v", took, least)
		}
		if took := bob.mutes(n); took > 0 {
			t.Errorf("somebody else waits for %v", took)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		alice.h.Rest(ctx)
	})
}

func TestNewsThatIsNoneIsNotTold(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		size := &livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateVideoTrack{UpdateVideoTrack: &livekit.UpdateLocalVideoTrack{
			TrackSid: alice.p().tracks[0].info.Sid, Width: 640, Height: 480,
		}}}
		sleep(2 * time.Second)
		bob.heard()
		alice.say(size)
		alice.say(size)
		bob.wantHeard("the same twice", "update alice:active/1")
	})
}
