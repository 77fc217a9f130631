package room

import (
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// publishes is what a client says on resuming that it publishes.
func publishes(sids ...string) *livekit.SyncState {
	m := &livekit.SyncState{}
	for _, sid := range sids {
		m.PublishTracks = append(m.PublishTracks, &livekit.TrackPublishedResponse{Track: &livekit.TrackInfo{Sid: sid}})
	}
	return m
}

func TestResumedClientThatPublishesWhatTheRoomHasNotStartsOver(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		bob.heard()
		camera, mic := alice.p().tracks[0].info.Sid, alice.p().pending[0].info.Sid

		alice = alice.resume(publishes(camera, mic))
		if got := alice.heard(); slices.ContainsFunc(got, isLeave) || alice.sink.closed {
			t.Errorf("with what is published and what is announced it heard %q", got)
		}
		bob.wantHeard("nobody notices that")

		alice = alice.resume(publishes(camera, bob.h.SID(), mic))
		got := alice.heard()
		if got[len(got)-1] != "leave STATE_MISMATCH RECONNECT" || !alice.sink.closed {
			t.Errorf("with a track that is not its own it heard %q", got)
		}
		bob.wantHeard("it is gone until it comes back", "update alice:disconnected/0")
		tc.wantEventsSince(3, "so it has left", "track_published alice 2/1", "track_unpublished alice 2/0", "participant_left alice 1/0")
		if reason := tc.events[len(tc.events)-1].Participant.DisconnectReason; reason != livekit.DisconnectReason_STATE_MISMATCH {
			t.Errorf("for the reason %v", reason)
		}
		bob.leave()
	})
}

func isLeave(word string) bool { return len(word) > 5 && word[:5] == "leave" }

// SDKs say on resuming which tracks nobody looks at.
func TestResumedClientIsNotSentWhatItHasDisabled(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishSimulcast("q", "h", "f")
		sid := bob.trackOf(alice)
		sleep(2 * demandPause)
		alice.heard()

		bob = bob.resume(&livekit.SyncState{TrackSidsDisabled: []string{"TR_none", sid}})
		if !bob.p().subscriptions[sid].sender.DownTrack().Paused() {
			t.Error("it is sent")
		}
		sleep(2 * demandPause)
		alice.wantDemands("nobody looks", "wanted")
		bob = bob.resume(&livekit.SyncState{})
		sleep(2 * demandPause)
		alice.wantDemands("nothing has changed since")
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Quality: livekit.VideoQuality_HIGH})
		alice.wantDemands("bob looks again", "wanted LOW MEDIUM HIGH")
		for _, c := range []*client{alice, bob} {
			c.leave()
		}
	})
}

func TestResumedClientGetsTheTracksThatItChoseMeanwhile(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		sid := bob.trackOf(alice)
		chosen := func(subscribe bool) *livekit.SyncState {
			return &livekit.SyncState{Subscription: &livekit.UpdateSubscription{TrackSids: []string{sid}, Subscribe: subscribe}}
		}
		bob = bob.resume(chosen(false))
		if len(bob.p().subscriptions) != 0 {
			t.Error("it has the track that it does not want")
		}
		bob = bob.resume(chosen(true))
		if bob.p().subscriptions[sid] == nil {
			t.Error("it has not the track that it wants")
		}
		for _, c := range []*client{alice, bob} {
			c.leave()
		}
	})
}
