package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

func TestParticipantsSeeEachOtherComeAndGo(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		record, on := recording(t)
		alice := s.join("alice", mode, on)
		bob := s.join("bob", mode)
		e := next[client.ParticipantConnected](record)
		if e.Participant.Identity() != "bob" || e.Participant.Name() != "name of bob" || e.Participant.SID() != bob.Local().SID() {
			t.Errorf("connected: %s %s %s", e.Participant.Identity(), e.Participant.Name(), e.Participant.SID())
		}
		if p := bob.Participant("alice"); p == nil || p.SID() != alice.Local().SID() {
			t.Errorf("bob sees %v", p)
		}
		if got, want := bob.SID(), alice.SID(); got != want || bob.Name() != t.Name() {
			t.Errorf("bob is in %s %s, alice in %s", got, bob.Name(), want)
		}
		leave(t, bob)
		if e := next[client.ParticipantDisconnected](record); e.Participant.Identity() != "bob" || e.Reason != livekit.DisconnectReason_CLIENT_INITIATED {
			t.Errorf("disconnected: %s %s", e.Participant.Identity(), e.Reason)
		}
		if len(alice.Participants()) != 0 {
			t.Errorf("alice still sees %v", alice.Participants())
		}
	})
}

func TestTracksArePublishedReceivedAndUnpublished(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		heard, on := recording(t)
		alice := s.join("alice", mode, on)
		said, also := recording(t)
		bob := s.join("bob", mode, also)
		for _, track := range []struct {
			*client.LocalTrack
			client.Sample
		}{{client.NewLocalTrack(client.Opus), tone()}, {client.NewLocalTrack(client.VP8), picture(320, 240, 3000)}} {
			play(t, track.LocalTrack, track.Sample)
			pub, err := bob.Local().Publish(s.context(), client.PublishOptions{Name: "mine", Width: 320, Height: 240}, track.LocalTrack)
			if err != nil {
				t.Fatal(err)
			}
			if e := next[client.LocalTrackPublished](said); e.Publication != pub {
				t.Errorf("published %s, want %s", e.Publication.SID(), pub.SID())
			}
			if e := next[client.TrackPublished](heard); e.Publication.SID() != pub.SID() || e.Publication.Name() != "mine" || e.Participant.Identity() != "bob" {
				t.Errorf("published: %v", e.Publication.Info())
			}
			e := next[client.TrackSubscribed](heard)
			if e.Track.SID() != pub.SID() || e.Publication.Track() != e.Track || e.Track.Kind() != pub.Kind() {
				t.Errorf("subscribed to %s, want %s", e.Track.SID(), pub.SID())
			}
			if got, want := e.Track.Codec().MimeType, track.Codec().MimeType; got != want {
				t.Errorf("codec %s, want %s", got, want)
			}
			for range 10 {
				if _, err := e.Track.ReadRTP(); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, bob, "somebody subscribes", func(s *client.State) bool { return s.Local.Tracks[0].Subscribed })
			if err := bob.Local().Unpublish(s.context(), pub); err != nil {
				t.Fatal(err)
			}
			if e := next[client.LocalTrackUnpublished](said); e.Publication != pub {
				t.Errorf("unpublished %s, want %s", e.Publication.SID(), pub.SID())
			}
			if u := next[client.TrackUnsubscribed](heard); u.Track != e.Track {
				t.Errorf("unsubscribed %s, want %s", u.Track.SID(), pub.SID())
			}
			if e := next[client.TrackUnpublished](heard); e.Publication.SID() != pub.SID() {
				t.Errorf("unpublished %s, want %s", e.Publication.SID(), pub.SID())
			}
			for range e.Track.Packets(s.context()) { // to its end
			}
		}
		if n := len(alice.Participant("bob").Tracks()); n != 0 {
			t.Errorf("%d tracks left", n)
		}
	})
}

func TestRefusalsAreTypedErrors(t *testing.T) {
	s := anySite(t)
	join := func(url, token string) error {
		_, err := client.Connect(s.context(), url, token, client.Options{})
		return err
	}
	if err := join(s.url, "no token"); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("bad token: %v", err)
	}
	for _, url := range []string{"", "ftp://x", "ws://", "://"} {
		if err := join(url, s.token("alice")); !errors.As(err, new(*client.ConnectError)) {
			t.Errorf("URL %q: %v", url, err)
		}
	}
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	for _, mode := range []client.Options{{}, {SinglePeerConnection: true}} {
		_, err := client.Connect(s.context(), nothing.URL, s.token("alice"), mode)
		var e *client.ConnectError
		if !errors.As(err, &e) || e.Status != http.StatusNotFound {
			t.Errorf("no server: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(s.context())
	cancel()
	if _, err := client.Connect(ctx, s.url, s.token("alice"), client.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	room := s.join("alice")
	leave(t, room)
	if err := room.Local().PublishData(s.context(), []byte("x"), client.DataOptions{}); !errors.Is(err, client.ErrNotConnected) {
		t.Errorf("after leaving: %v", err)
	}
	if room.Connection() != client.StateDisconnected || room.State().Reason != livekit.DisconnectReason_CLIENT_INITIATED {
		t.Errorf("after leaving: %+v", room.State())
	}
}

func TestServerSaysWhyItIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(s *site, room *client.Room)
		reason livekit.DisconnectReason
	}{
		"room deleted": {func(s *site, room *client.Room) {
			api, ctx := s.api()
			if _, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: s.t.Name()}); err != nil {
				s.t.Error(err)
			}
		}, livekit.DisconnectReason_ROOM_DELETED},
		"removed": {func(s *site, room *client.Room) {
			api, ctx := s.api()
			if _, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: s.t.Name(), Identity: "alice"}); err != nil {
				s.t.Error(err)
			}
		}, livekit.DisconnectReason_PARTICIPANT_REMOVED},
		"replaced": {func(s *site, room *client.Room) { s.join("alice") }, livekit.DisconnectReason_DUPLICATE_IDENTITY},
	} {
		t.Run(name, func(t *testing.T) {
			s := anySite(t)
			record, on := recording(t)
			room := s.join("alice", on)
			c.end(s, room)
			if e := next[client.Disconnected](record); e.Reason != c.reason || e.Err != nil {
				t.Errorf("%s (%v), want %s", e.Reason, e.Err, c.reason)
			}
			<-room.Done()
		})
	}
}

func TestOneOfSeveralTracksIsUnpublished(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		record, on := recording(t)
		s.join("alice", mode, on)
		bob := s.join("bob", mode)
		for range 3 {
			if _, err := bob.Local().Publish(s.context(), client.PublishOptions{}, client.NewLocalTrack(client.Opus)); err != nil {
				t.Fatal(err)
			}
			next[client.TrackPublished](record)
		}
		for left := 2; left >= 0; left-- {
			if err := bob.Local().Unpublish(s.context(), bob.Local().Tracks()[0]); err != nil {
				t.Fatal(err)
			}
			if e := next[client.TrackUnpublished](record); len(e.Participant.Publications()) != left {
				t.Errorf("%d tracks are left, want %d", len(e.Participant.Publications()), left)
			}
		}
	})
}
