package room

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
)

// demandsHeard returns what a publisher was told to send, as the qualities that
// are on, and forgets all it heard.
func (c *client) demandsHeard() (got []string) {
	for _, word := range c.heard() {
		if strings.HasPrefix(word, "wanted") {
			got = append(got, word)
		}
	}
	return got
}

// demandWord tells what a publisher is asked for, codecs but the first by name.
func demandWord(m *livekit.SubscribedQualityUpdate) string {
	word := "wanted"
	for i, c := range m.SubscribedCodecs {
		if i > 0 {
			word += " " + c.Codec + ":"
		}
		for _, q := range c.Qualities {
			if q.Enabled {
				word += " " + q.Quality.String()
			}
		}
	}
	return word
}

func (c *client) settings(t *livekit.UpdateTrackSettings) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_TrackSetting{TrackSetting: t}})
}

func TestPublisherIsToldWhatIsWanted(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		alice.publishSimulcast("q", "h", "f")
		sleep(2 * demandPause)
		alice.wantDemands("all is wanted, as it was at the start")
		sid := bob.trackOf(alice)

		want := func(c *client, quality livekit.VideoQuality, disabled bool) {
			c.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Quality: quality, Disabled: disabled})
		}
		want(bob, livekit.VideoQuality_LOW, false)
		want(carol, livekit.VideoQuality_MEDIUM, false)
		sleep(demandPause - time.Second)
		alice.wantDemands("less is not told at once")
		sleep(2 * time.Second)
		alice.wantDemands("the most that anybody wants", "wanted LOW MEDIUM")
		want(carol, livekit.VideoQuality_LOW, false)
		sleep(time.Second)
		want(carol, livekit.VideoQuality_MEDIUM, false)
		sleep(2 * demandPause)
		alice.wantDemands("there and back is nothing")
		want(bob, livekit.VideoQuality_HIGH, false)
		alice.wantDemands("more is told at once", "wanted LOW MEDIUM HIGH")
		want(bob, livekit.VideoQuality_HIGH, true)
		want(carol, livekit.VideoQuality_HIGH, true)
		sleep(2 * demandPause)
		alice.wantDemands("nobody looks", "wanted")
		want(bob, livekit.VideoQuality_LOW, false)
		alice.wantDemands("bob looks", "wanted LOW")
		bob.leave()
		sleep(2 * demandPause)
		alice.wantDemands("bob has left", "wanted")
	})
}

func TestALoneLayerIsWantedOrNot(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		sleep(2 * demandPause)
		alice.wantDemands("nobody is there", "wanted")
		bob := tc.enter("demo", "bob")
		alice.wantDemands("bob sees it", "wanted LOW MEDIUM HIGH")
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{bob.trackOf(alice)}, Quality: livekit.VideoQuality_LOW})
		sleep(2 * demandPause)
		alice.wantDemands("the one layer is what there is")
	})
}

// What was told while the signal connection was down never arrived.
func TestResumeRepeatsDemandAndStreamStates(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishSimulcast("q", "h", "f")
		sid := bob.trackOf(alice)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Quality: livekit.VideoQuality_LOW})
		sleep(2 * demandPause)
		alice.wantDemands("bob wants little", "wanted LOW")
		tell := bob.conn()
		tell.streamState(bob.p().subscriptions[sid].sender, true)
		if got := bob.heard(); !slices.Contains(got, "stream alice=PAUSED") {
			t.Errorf("bob heard %q", got)
		}
		alice = alice.resume(nil)
		alice.wantDemands("alice is back", "wanted LOW")
		bob = bob.resume(nil)
		if got := bob.heard(); !slices.Contains(got, "stream alice=PAUSED") {
			t.Errorf("after the resume bob heard %q", got)
		}
	})
}

func TestTracksOfAnotherSessionAreNotTold(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		old := bob.p().subscriptions[bob.trackOf(alice)].sender
		bob.p().subscriptions[bob.trackOf(alice)].sender = &fakeSender{}
		bob.heard()
		tell := bob.conn()
		tell.streamState(old, true)
		bob.wantHeard("nothing of a sender that was replaced")
	})
}

// Screens go before speakers, speakers before cameras, wishes before all.
func TestPriorities(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		alice.announce("screen", livekit.TrackType_VIDEO, livekit.TrackSource_SCREEN_SHARE)
		alice.media("screen", "video")
		subs := map[livekit.TrackSource]*subscription{}
		for _, sub := range bob.p().subscriptions {
			subs[sub.track.info.Source] = sub
		}
		of := func(source livekit.TrackSource) int32 { return subs[source].sender.(*fakeSender).priority.Load() }
		camera, screen := livekit.TrackSource_CAMERA, livekit.TrackSource_SCREEN_SHARE
		if of(camera) >= of(screen) {
			t.Errorf("camera %d, screen %d", of(camera), of(screen))
		}
		before := of(camera)
		alice.room().post(func(*state) {
			alice.p().speaking.active = true
			alice.p().prioritizeTracks()
		})
		synctest.Wait()
		if of(camera) <= before || of(camera) >= of(screen) {
			t.Errorf("speaker's camera %d, camera %d, screen %d", of(camera), before, of(screen))
		}
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{subs[camera].track.info.Sid}, Priority: 3})
		if of(camera) <= of(screen) {
			t.Errorf("wished camera %d, screen %d", of(camera), of(screen))
		}
	})
}
