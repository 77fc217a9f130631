package room

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// enterCore joins as the Rust core does with one connection.
func (tc *test) enterCore(identity string, sdk livekit.ClientInfo_SDK) *client {
	tc.t.Helper()
	j := joinOf("demo", identity)
	j.SinglePC, j.Client.Sdk = true, sdk
	c := tc.accept(j)
	c.wantHeard("the join", "join others=0")
	return c
}

func TestRustCoreHasCauseForOneOfferAtATime(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterCore("alice", livekit.ClientInfo_NODE)
		alice.conn().SectionsRequired(1, 0)
		alice.wantHeard("what it is asked for", "mediasectionsrequirement")
		sleep(together / 2)
		alice.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		alice.wantHeard("what goes along", "trackpublished")
		sleep(together)
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.conn().SectionsRequired(0, 1)
		alice.wantHeard("nothing while it offers")
		alice.conn().OfferOverdue()
		alice.wantHeard("a reminder", "mediasectionsrequirement")
		alice.conn().PublisherAnswer("v=0", 0, nil)
		alice.wantHeard("the answer, and what has waited", "answer", "trackpublished", "mediasectionsrequirement")
		sleep(together)
		alice.conn().SectionsRequired(0, 1)
		alice.wantHeard("nothing while it offers again")
		sleep(turnPatience)
		alice.wantHeard("no offer was needed", "mediasectionsrequirement")
		alice.leave()
	})
}

func TestRustCoreIsNotAskedWhileItsOwnOfferIsOnTheWay(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterCore("alice", livekit.ClientInfo_NODE)
		for id := range uint32(2) {
			alice.sayOffer("v=0") // it has taken a track back
			alice.conn().SectionsRequired(0, 0)
			alice.wantHeard("nothing before it is answered, however soon")
			alice.conn().OfferOverdue()
			alice.wantHeard("no reminder of the offer that is here")
			alice.conn().PublisherAnswer("v=0", id, nil)
			alice.wantHeard("the answer, and that sections are to be given back", "answer", "mediasectionsrequirement")
		}
		alice.leave()
	})
}

func TestWhatWaitsForATurnIsNotRemindedOf(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterCore("alice", livekit.ClientInfo_PYTHON)
		alice.duplexState(peer.Connected)
		alice.conn().SectionsRequired(1, 0)
		sleep(together)
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		sleep(turnPatience - together) // then it is its turn
		sleep(owed[0] - 100*time.Millisecond)
		alice.wantReminders("it has only just been told", 0)
		sleep(200 * time.Millisecond)
		alice.wantReminders("it has had its time", 1)
		alice.leave()
	})
}

func TestOthersHaveTheirTurnsAtOnce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterCore("alice", livekit.ClientInfo_JS)
		alice.conn().SectionsRequired(1, 0)
		sleep(together)
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.wantHeard("all of it", "mediasectionsrequirement", "trackpublished")
		alice.leave()
	})
}
