package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

func TestOlderNewsOfAMuteDoNotUndoWhatAModeratorDoes(t *testing.T) {
	out := newMailbox[*livekit.SignalRequest]()
	r := newRoom(target{}, "", Options{})
	r.session = &session{signal: &signalConn{out: out}}
	pub := &LocalPublication{transceiver: new(webrtc.RTPTransceiver)}
	pub.publication = publication{room: r, info: &livekit.TrackInfo{Sid: "TR_1"}}
	r.local.pubs = []*LocalPublication{pub}

	set := func(muted bool) {
		if r.setMuted(pub, muted) {
			r.tellServerMuted(pub)
		}
	}
	says := func(muted bool) { r.updateLocalTrack(&livekit.TrackInfo{Sid: "TR_1", Muted: muted}) }
	moderator := func(muted bool) { r.handleMute(&livekit.MuteTrackRequest{Sid: "TR_1", Muted: muted}) }
	told := func(when string, want ...bool) {
		t.Helper()
		queue, _ := out.take()
		var got []bool
		for _, m := range queue {
			got = append(got, m.GetMute().GetMuted())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the server is told (-want +got):\n%s", when, diff)
		}
	}

	set(true)
	set(false)
	told("muted and unmuted", true, false)
	says(true)
	told("the server has heard the first")
	moderator(true)
	says(true)
	told("a moderator mutes")
	if !pub.Muted() {
		t.Error("not muted")
	}

	set(false)
	says(false)
	told("unmuted again", false)
	says(true)
	told("the server knows something else for no reason that is known here", false)
	says(true)
	told("it still does")
	r.repeatRequests()
	told("the signal connection was lost", false)
	says(false)
	r.repeatRequests()
	told("the server knows it")
}
