package client_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestSnapshotsFollowTheRoomAndNeverChange(t *testing.T) {
	s := anySite(t)
	alice := s.join("alice")
	ctx, cancel := context.WithCancel(s.context())
	seen := make(chan *client.State, 1000)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for st := range alice.Observe(ctx) {
			seen <- st
		}
	}()
	first := <-seen
	if first.Connection != client.StateConnected || first.Local.Identity != "alice" || len(first.Participants) != 0 || first.Name != t.Name() {
		t.Errorf("at first: %+v", first)
	}
	if alice.State() != alice.State() {
		t.Error("a snapshot was made although nothing changed")
	}
	bob := s.join("bob")
	track := client.NewLocalTrack(client.Opus)
	play(t, track, tone())
	pub, err := bob.Local().Publish(s.context(), client.PublishOptions{Name: "voice"}, track)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, alice, "bob's voice comes", func(s *client.State) bool {
		p, _ := s.Participant("bob")
		return len(p.Tracks) == 1 && p.Tracks[0].Subscribed
	})
	st := alice.State()
	tr := st.Participants[0].Tracks[0]
	if tr.SID != pub.SID() || tr.Name != "voice" || tr.Source != livekit.TrackSource_MICROPHONE || !tr.Allowed || !tr.Wanted || tr.Muted {
		t.Errorf("track: %+v", tr)
	}
	if len(first.Participants) != 0 {
		t.Error("an old snapshot has changed")
	}
	if err := pub.SetMuted(s.context(), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, alice, "it is muted", func(s *client.State) bool { return s.Participants[0].Tracks[0].Muted })
	if st.Participants[0].Tracks[0].Muted {
		t.Error("an old snapshot has changed")
	}
	cancel()
	<-watched
	leave(t, alice)
	last := (*client.State)(nil)
	for last = range alice.Observe(s.context()) {
	}
	if last.Connection != client.StateDisconnected {
		t.Errorf("in the end: %+v", last)
	}
}

func TestOwnNameMetadataAndAttributes(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		alice, bob := s.join("alice", mode), s.join("bob", mode)
		me := alice.Local()
		if err := errors.Join(me.SetName(s.context(), "Alice"), me.SetMetadata(s.context(), "meta"), me.SetAttributes(s.context(), map[string]string{"a": "1", "b": "2"})); err != nil {
			t.Fatal(err)
		}
		if err := me.SetAttributes(s.context(), map[string]string{"a": ""}); err != nil {
			t.Fatal(err)
		}
		if me.Name() != "Alice" || me.Metadata() != "meta" || !maps.Equal(me.Attributes(), map[string]string{"b": "2"}) {
			t.Errorf("alice is %s %s %v", me.Name(), me.Metadata(), me.Attributes())
		}
		eventually(t, bob, "bob sees it", func(s *client.State) bool {
			p, _ := s.Participant("alice")
			return p.Name == "Alice" && p.Metadata == "meta" && maps.Equal(p.Attributes, map[string]string{"b": "2"})
		})
		carol := s.joinWith(s.token("carol", func(c *token.Claims) { c.Video.CanUpdateOwnMetadata = nil }), mode)
		if err := carol.Local().SetName(s.context(), "x"); !errors.Is(err, client.ErrNotAllowed) {
			t.Errorf("without permission: %v", err)
		}
	})
}

func TestSubscriptionIsTheApplicationsChoice(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		record, on := recording(t)
		alice := s.join("alice", mode, on, func(o *client.Options) { o.ManualSubscribe = true })
		bob := s.join("bob", mode)
		track := client.NewLocalTrack(client.VP8)
		play(t, track, picture(320, 240, 500))
		if _, err := bob.Local().Publish(s.context(), client.PublishOptions{Width: 320, Height: 240}, track); err != nil {
			t.Fatal(err)
		}
		pub := next[client.TrackPublished](record).Publication
		for range 2 {
			if pub.Subscribed() {
				t.Error("subscribed without being asked")
			}
			if err := pub.SetSubscribed(s.context(), true); err != nil {
				t.Fatal(err)
			}
			e := next[client.TrackSubscribed](record)
			if _, err := e.Track.ReadRTP(); err != nil {
				t.Error(err)
			}
			if err := pub.SetSettings(s.context(), client.TrackSettings{Quality: livekit.VideoQuality_LOW}); err != nil {
				t.Error(err)
			}
			if err := pub.SetSubscribed(s.context(), false); err != nil {
				t.Fatal(err)
			}
			if u := next[client.TrackUnsubscribed](record); u.Track != e.Track {
				t.Error("unsubscribed from another track")
			}
		}
		_ = alice
	})
}

func TestSimulcastLayersAreSentAsWanted(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		bob := s.join("bob", mode)
		layers, err := client.NewSimulcastTracks(client.VP8, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range layers {
			play(t, l, picture(320<<i, 180<<i, 400<<(2*i)))
		}
		pub, err := bob.Local().Publish(s.context(), client.PublishOptions{Width: 1280, Height: 720}, layers...)
		if err != nil {
			t.Fatal(err)
		}
		if len(pub.Info().GetLayers()) != 3 {
			t.Errorf("published as %v", pub.Info())
		}
		record, on := recording(t)
		s.join("alice", mode, on)
		e := next[client.TrackSubscribed](record)
		wantSize := func(quality livekit.VideoQuality, width uint16) {
			t.Helper()
			if err := e.Publication.SetSettings(s.context(), client.TrackSettings{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			for p := range e.Track.Packets(s.context()) {
				if w, is := widthOf(p.Payload); is && w == width {
					return
				}
			}
			t.Errorf("no picture %d wide", width)
		}
		wantSize(livekit.VideoQuality_HIGH, 1280)
		wantSize(livekit.VideoQuality_LOW, 320)
		wantSize(livekit.VideoQuality_HIGH, 1280)
	})
}
