package room

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
)

// SDKs are told of changes only: of one that is missed nothing reminds them.
func TestWhoResumesIsToldWhichVoicesBeganAndEndedMeanwhile(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		dave := tc.enter("demo", "dave")
		for _, c := range []*client{alice, carol, dave} {
			c.publishCamera()
		}
		speech := func(seconds int32) *livekit.SimulateScenario {
			return &livekit.SimulateScenario{Scenario: &livekit.SimulateScenario_SpeakerUpdate{SpeakerUpdate: seconds}}
		}
		alice.simulates(speech(5))
		if got := bob.spoken(); got != "alice speaks" {
			t.Fatalf("bob was told %q", got)
		}
		bob.h.SignalLost(bob.sink)
		sleep(10 * time.Second)
		carol.simulates(speech(30))
		bob = bob.resume(nil)
		sleep(time.Second)
		if got := bob.spoken(); got != "alice stops, carol speaks" {
			t.Errorf("bob, who is back, was told %q", got)
		}
		sleep(2 * time.Minute)
		bob = bob.resume(nil)
		sleep(time.Second)
		if got := bob.spoken(); got != "" {
			t.Errorf("nothing has changed for long, and bob was told %q", got)
		}
	})
}

func TestWhoResumesIsToldTheQualityAgain(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		sleep(qualityInterval)
		bob.heard()
		bob = bob.resume(nil) // what it was told may have gone into a dead connection
		bob.heard()
		sleep(qualityInterval)
		if got := bob.heard(); !slices.Contains(got, "quality alice=EXCELLENT bob=EXCELLENT") {
			t.Errorf("bob heard %q", got)
		}
	})
}

func TestWhoResumesIsToldWhichTracksItMayNotOrMayHaveAgain(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		for _, step := range []struct {
			everybody bool
			want      string
		}{{false, "permission allowed=false"}, {true, "permission allowed=true"}} {
			bob.h.SignalLost(bob.sink)
			synctest.Wait()
			alice.allow(step.everybody)
			bob = bob.resume(nil)
			if got := bob.heard(); !slices.Contains(got, step.want) {
				t.Errorf("want %q, bob heard %q", step.want, got)
			}
			sleep(2 * departureSlack)
			bob = bob.resume(nil)
			if got := bob.heard(); slices.Contains(got, step.want) {
				t.Errorf("that was long ago, and bob heard %q", got)
			}
		}
	})
}

// A client that does not hear of it would take the mute in its own description for a
// mistake of ours, and correct it.
func TestMuteOfTheAPIReachesWhoResumes(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		sid := alice.p().tracks[0].info.Sid
		mute := func(muted bool) {
			if _, err := tc.reg.MuteTrack(context.Background(), "demo", "alice", sid, muted); err != nil {
				t.Fatal(err)
			}
		}
		own := func(muted bool) {
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: muted}}})
		}
		wantMute := func(why string, want bool) {
			t.Helper()
			got := alice.heard()
			if slices.Contains(got, "mute true") != want || slices.Contains(got, "mute false") {
				t.Errorf("%s: heard %q", why, got)
			}
			if i, j := slices.Index(got, "mute true"), slices.Index(got, "update alice:active/1"); i > j {
				t.Errorf("%s: only after its own description: %q", why, got)
			}
		}
		alice.h.SignalLost(alice.sink)
		synctest.Wait()
		mute(true)
		alice = alice.resume(nil)
		wantMute("muted meanwhile", true)
		own(true)
		alice = alice.resume(nil)
		wantMute("it has said so itself", false)
		own(false)
		mute(true)
		sleep(2 * departureSlack)
		alice = alice.resume(nil)
		wantMute("it was there to hear of it", false)
		own(false)
		mute(true)
		own(false)
		alice = alice.resume(nil)
		wantMute("it is not muted any more", false)
	})
}
