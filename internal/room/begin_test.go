package room

import (
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func (f *fakePeer) began() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = append(f.begun, len(f.tracks))
}

// Who joins is offered the tracks that are there with the first description, and does not
// wait for another one.
func TestTheFirstOfferHasTheTracksThatAreThere(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.media("mic", "audio")
		bob := tc.accept(joinOf("demo", "bob"))
		if got := bob.sub().begun; !slices.Equal(got, []int{2}) {
			t.Errorf("the first offer is of %v tracks, want one of 2", got)
		}
		if got := alice.sub().begun; !slices.Equal(got, []int{0}) {
			t.Errorf("that of who was alone is of %v tracks", got)
		}
		bob.transport(peer.Connected)
		if got := bob.sub().begun; len(got) != 1 {
			t.Errorf("it is offered %d times", len(got))
		}
	})
}
