package room

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// enterSingle joins with one connection for both ways and brings it up.
func (tc *test) enterSingle(room, identity string) *client {
	tc.t.Helper()
	j := joinOf(room, identity)
	j.SinglePC = true
	c := tc.accept(j)
	c.duplexState(peer.Connected)
	return c
}

func (c *client) duplexState(st peer.State) {
	c.conn().PublisherState(st)
	synctest.Wait()
}

func (c *client) duplex() *fakePeer { return c.p().duplex.(*fakePeer) }

func TestSingleConnectionIsPrimaryAndCarriesSubscriptions(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		bob := tc.enterSingle("demo", "bob")
		tc.wantEvents("bob is in when his connection is up",
			"room_started 0/0", "participant_joined alice 1/0", "track_published alice 1/1", "participant_joined bob 2/1")
		if bob.p().subscriber != nil {
			t.Error("bob has a connection that he never answers on")
		}
		if got := bob.duplex().tracks; len(got) != 1 {
			t.Errorf("bob's connection carries %v, want alice's camera", got)
		}
		bob.heard()
		bob.conn().SectionsRequired(0, 2)
		bob.conn().PublisherAnswer("v=0", 3, map[string]string{"1": "TR_x"})
		bob.wantHeard("what bob's connection needs and answers", "mediasectionsrequirement", "answer")

		bob.publishCamera()
		if got := alice.sub().tracks; len(got) != 1 {
			t.Errorf("alice has %v, want bob's camera", got)
		}
		alice.leave()
		if got := bob.duplex().tracks; len(got) != 0 {
			t.Errorf("bob's connection carries %v after alice left", got)
		}
		bob.leave()
		if !bobClosed(bob) {
			t.Error("bob's connection is open")
		}
	})
}

func bobClosed(c *client) bool { synctest.Wait(); return c.p().duplex == nil && c.p().publisher == nil }

func TestTracksInTheRequestAreAnnouncedBeforeTheOffer(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		j := joinOf("demo", "alice")
		j.SinglePC = true
		j.AddTracks = []*livekit.AddTrackRequest{{Cid: "mic", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE}}
		j.Offer = &livekit.SessionDescription{Type: "offer", Sdp: "v=0", Id: 9}
		alice := tc.accept(j)
		alice.wantHeard("the join, then the tracks of the request", "join others=0", "trackpublished")
		if alice.duplex().offered != 9 {
			t.Errorf("the connection took offer %d", alice.duplex().offered)
		}
		alice.duplexState(peer.Connected)
		alice.media("mic", "audio")
		tc.wantEvents("the announced track is published", "room_started 0/0", "participant_joined alice 1/0", "track_published alice 1/1")
		alice.leave()
	})
}

func TestResumeOnASingleConnectionIsUnseenAndAppliesItsState(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		bob := tc.enter("demo", "bob")
		bob.publishCamera()
		sid := bob.p().tracks[0].info.Sid
		bob.heard()
		alice.h.SignalLost(alice.sink)
		again := &client{tc: tc, join: alice.join, sink: &recorder{}}
		again.join.SyncState = &livekit.SyncState{Subscription: &livekit.UpdateSubscription{TrackSids: []string{sid}, Subscribe: false}}
		h, err := tc.reg.Resume(context.Background(), again.join, alice.h.SID(), again.sink)
		if err != nil {
			t.Fatal(err)
		}
		again.h = h
		again.wantHeard("the resume", "reconnect", "update bob:active/1 alice:active/0", `room participants=2 publishers=1 metadata=""`)
		bob.wantHeard("nothing of it")
		if d := again.duplex(); d.restarts != 1 || len(d.tracks) != 0 {
			t.Errorf("resumed %d times, carries %v", d.restarts, d.tracks)
		}
		again.leave()
	})
}
