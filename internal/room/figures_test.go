package room

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestOverviewCountsWhoIsThereAndWhatTheySend(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		tc.enter("attic", "dan")
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		tc.accept(joinOf("demo", "carol")) // its transport is not up
		alice.publishCamera()
		sleep(qualityInterval)
		bob.transport(peer.Disconnected)
		sleep(qualityInterval)
		lines, err := tc.reg.Overviews(context.Background())
		if err != nil || len(lines) != 2 {
			t.Fatalf("%+v, %v", lines, err)
		}
		for _, line := range lines {
			if line.SID == "" || line.CreatedAt.IsZero() {
				t.Errorf("%+v", line)
			}
			got := []int{line.Participants, line.Publishers, line.Tracks, line.Subscriptions, line.Speakers, line.Poor}
			want := map[string][]int{"attic": {1, 0, 0, 0, 0, 0}, "demo": {2, 1, 1, 1, 0, 1}}[line.Name]
			if !cmp.Equal(got, want) {
				t.Errorf("%s: participants, publishers, tracks, subscriptions, speakers, poor are %v, want %v", line.Name, got, want)
			}
		}
	})
}

func TestFiguresTellOfEverybodyAndInDetailOfWhomIsAskedFor(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		bob, carol := tc.enter("demo", "bob"), tc.enter("demo", "carol")
		media := alice.publishSimulcast("q", "h", "f")
		for _, rid := range media.rids {
			media.up.AddStream(uptrack.StreamInfo{RID: rid})
		}
		bob.publishCamera()
		sid := bob.trackOf(alice)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Quality: livekit.VideoQuality_LOW})
		carol.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Disabled: true})
		sleep(qualityInterval)

		look := func(detail string) (f *Figures, by map[string]Person) {
			t.Helper()
			f, err := tc.reg.Figures(context.Background(), "demo", detail)
			if err != nil || len(f.Participants) != 3 || f.Subscriptions != 4 {
				t.Fatalf("%+v, %v", f, err)
			}
			by = map[string]Person{}
			for _, p := range f.Participants {
				by[p.Info.Identity] = p
			}
			return f, by
		}
		f, by := look("carol")
		if f.Room.Name != "demo" || len(by["alice"].Receiver) != 0 || len(by["bob"].Receiver) != 0 || len(by["carol"].Receiver) != 2 {
			t.Errorf("in detail of carol: %+v", by)
		}
		for _, rx := range by["carol"].Receiver {
			if rx.Subscriber != "carol" || rx.Paused != (rx.TrackSID == sid) || rx.Layer != -1 {
				t.Errorf("carol receives %+v", rx)
			}
		}
		p := by["alice"]
		if diff := cmp.Diff(alice.p().info(), p.Info, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		up := Transport{State: "connected", Protocol: "udp", Candidate: "host"}
		if !p.Signal || p.Quality != "excellent" || p.Receives != up || p.Publishes.State == "none" || p.Single {
			t.Errorf("alice is %+v", p)
		}
		track := p.Tracks[0]
		if track.SID != sid || track.Subscribers != 2 || len(track.Layers) != 3 {
			t.Fatalf("her track is %+v", track)
		}
		for i, l := range track.Layers {
			if l.Layer != i || l.RID != []string{"q", "h", "f"}[i] || l.Wanted != map[int]int{0: 1}[i] {
				t.Errorf("layer %d is %+v", i, l)
			}
		}

		// Of who publishes, what she receives and what others receive of her.
		_, by = look("alice")
		for who, publisher := range map[string]string{"alice": "bob", "bob": "alice", "carol": "alice"} {
			got := by[who].Receiver
			if len(got) != 1 || got[0].Publisher != publisher || got[0].Subscriber != who {
				t.Errorf("in detail of alice, %s receives %+v", who, got)
			}
		}
		if _, err := tc.reg.Figures(context.Background(), "cellar"); !errors.Is(err, ErrRoomNotFound) {
			t.Errorf("a room that is not there: %v", err)
		}
	})
}
