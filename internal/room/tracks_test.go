package room

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestTrackIsPublishedOnceAnnouncedAndBoundWhateverComesFirst(t *testing.T) {
	announce := func(c *client) {
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
	}
	media := func(c *client) { c.media("cam", "video") }
	join := func(c *client) { c.transport(peer.Connected) }
	for name, steps := range map[string][]func(*client){
		"announce media join": {announce, media, join},
		"media announce join": {media, announce, join},
		"join media announce": {join, media, announce},
		"join announce media": {join, announce, media},
		"media join announce": {media, join, announce},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				c := tc.accept(joinOf("demo", "alice"))
				for _, step := range steps {
					step(c)
				}
				tc.wantEvents("joined comes first", "room_started 0/0", "participant_joined alice 1/0", "track_published alice 1/1")
			})
		})
	}
}

func TestMediaUnderAnotherTrackIDIsMatchedByKindAfterAWhile(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		c.media("munged", "video")
		tc.wantEvents("not at once: its own announcement may follow", "room_started 0/0", "participant_joined alice 1/0")
		sleep(matchPatience)
		tc.wantEvents("then", "room_started 0/0", "participant_joined alice 1/0", "track_published alice 1/1")
		if source := c.p().tracks[0].info.Source; source != livekit.TrackSource_CAMERA {
			t.Errorf("matched %v", source)
		}
	})
}

func TestAnnouncedTrackWithoutMediaIsNoEvent(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		c.leave()
		tc.wantEvents("nothing of the track", "room_started 0/0", "participant_joined alice 1/0", "participant_left alice 0/0")
	})
}

func TestAnnouncementIsAnsweredAtOnceAndOnlyOnce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.heard()
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		c.wantHeard("the same answer twice", "trackpublished", "trackpublished")
		if n := len(c.p().pending); n != 1 {
			t.Errorf("%d tracks pending, want 1", n)
		}
	})
}

func TestPermissionDecidesWhatMayBePublished(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		j := joinOf("demo", "alice")
		j.Permission.CanPublishSources = []livekit.TrackSource{livekit.TrackSource_MICROPHONE}
		c := tc.accept(j)
		c.transport(peer.Connected)
		c.heard()
		c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		c.wantHeard("camera refused", "response NOT_ALLOWED")
		c.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		c.wantHeard("microphone accepted", "trackpublished")
		c.announce("mic2", livekit.TrackType_VIDEO, livekit.TrackSource_MICROPHONE)
		c.wantHeard("pictures of a microphone refused", "response NOT_ALLOWED")
	})
}

func TestNarrowedPermissionEndsWhatIsNotOfItsSource(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.media("mic", "audio")
		alice.announce("odd", livekit.TrackType_VIDEO, livekit.TrackSource_MICROPHONE)
		alice.media("odd", "video") // without a restriction sources are names
		if n := len(bob.sub().tracks); n != 2 {
			t.Fatalf("bob has %d tracks", n)
		}
		if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
			Room: "demo", Identity: "alice", Permission: &livekit.ParticipantPermission{
				CanSubscribe: true, CanPublish: true, CanPublishSources: []livekit.TrackSource{livekit.TrackSource_MICROPHONE},
			},
		}); err != nil {
			t.Fatal(err)
		}
		if own := alice.p().tracks; len(own) != 1 || own[0].info.Type != livekit.TrackType_AUDIO {
			t.Errorf("alice publishes %v", alice.p().info().Tracks)
		}
	})
}

func TestRevokedPermissionUnpublishes(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		alice.heard()
		bob.heard()
		if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
			Room: "demo", Identity: "alice", Permission: &livekit.ParticipantPermission{CanSubscribe: true},
		}); err != nil {
			t.Fatal(err)
		}
		alice.wantHeard("the publisher is told which track", "trackunpublished", "update alice:active/0")
		bob.wantHeard("the others", "update alice:active/0")
		if left := bob.sub().tracks; len(left) != 0 {
			t.Errorf("bob still has %v", left)
		}
		tc.wantEvents("unpublished", "room_started 0/0", "participant_joined alice 1/0", "participant_joined bob 2/0",
			"track_published alice 2/1", "track_unpublished alice 2/0")
	})
}

func TestTracksAreSubscribedAsWished(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		sid := alice.p().tracks[0].info.Sid
		auto := tc.enter("demo", "auto")
		j := joinOf("demo", "manual")
		j.AutoSubscribe = false
		manual := tc.accept(j)
		manual.transport(peer.Connected)
		want := []string{alice.h.SID() + "|" + sid}
		if got := auto.sub().tracks; !slices.Equal(got, want) {
			t.Errorf("auto has %v, want %v", got, want)
		}
		if got := manual.sub().tracks; len(got) != 0 {
			t.Errorf("manual has %v before it asked", got)
		}
		choose := func(c *client, subscribe bool) {
			c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{Subscription: &livekit.UpdateSubscription{TrackSids: []string{sid}, Subscribe: subscribe}}})
		}
		choose(manual, true)
		choose(auto, false)
		if got := manual.sub().tracks; !slices.Equal(got, want) {
			t.Errorf("manual has %v, want %v", got, want)
		}
		if got := auto.sub().tracks; len(got) != 0 {
			t.Errorf("auto has %v after it declined", got)
		}
		if err := tc.reg.UpdateSubscriptions(context.Background(), &livekit.UpdateSubscriptionsRequest{Room: "demo", Identity: "auto", TrackSids: []string{sid}, Subscribe: true}); err != nil {
			t.Fatal(err)
		}
		if got := auto.sub().tracks; !slices.Equal(got, want) {
			t.Errorf("auto has %v after the API chose for it", got)
		}
	})
}

func TestPublisherDecidesWhoMaySubscribe(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		alice.publishCamera()
		bob.heard()
		carol.heard()
		permit := func(identities ...string) {
			req := &livekit.SubscriptionPermission{}
			for _, id := range identities {
				req.TrackPermissions = append(req.TrackPermissions, &livekit.TrackPermission{ParticipantIdentity: id, AllTracks: true})
			}
			alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: req}})
		}
		permit("carol")
		bob.wantHeard("lost it", "permission allowed=false")
		carol.wantHeard("nothing changed for her")
		permit()
		carol.wantHeard("lost it too", "permission allowed=false")
		permit("bob", "carol")
		bob.wantHeard("has it again", "permission allowed=true")
		if len(bob.sub().tracks) != 1 || len(carol.sub().tracks) != 1 {
			t.Errorf("bob has %v, carol %v", bob.sub().tracks, carol.sub().tracks)
		}
		permit()
		dave := tc.enter("demo", "dave")
		if got := dave.heard(); !slices.Contains(got, "permission allowed=false") {
			t.Errorf("dave, who came later, heard %v", got)
		}
	})
}

// allow has a publisher's client say whether everybody may have its tracks.
func (c *client) allow(everybody bool) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{
		SubscriptionPermission: &livekit.SubscriptionPermission{AllParticipants: everybody},
	}})
}

// Its client does not say it again: it knows nothing of a subscription of ours.
func TestWishesForATrackOutliveItsPermission(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishSimulcast("q", "h", "f")
		sid := bob.trackOf(alice)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Disabled: true, Quality: livekit.VideoQuality_LOW, Fps: 10})
		wants := func(why string, paused bool, layer int, fps uint32) {
			t.Helper()
			down := bob.p().subscriptions[bob.trackOf(alice)].sender.DownTrack()
			if down.Paused() != paused || down.MaxLayer() != layer || down.MaxFPS() != fps {
				t.Errorf("%s: paused %v, layer %d, %d frames a second", why, down.Paused(), down.MaxLayer(), down.MaxFPS())
			}
		}
		wants("as it says", true, 0, 10)
		alice.allow(false)
		alice.allow(true)
		wants("the publisher has thought better of it", true, 0, 10)
		permit := func(subscribe bool) {
			if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
				Room: "demo", Identity: "bob", Permission: &livekit.ParticipantPermission{CanSubscribe: subscribe},
			}); err != nil {
				t.Fatal(err)
			}
		}
		permit(false)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Quality: livekit.VideoQuality_MEDIUM})
		permit(true)
		wants("what it said while it had no track", false, 1, 0)

		choose := func(subscribe bool) {
			bob.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{
				Subscription: &livekit.UpdateSubscription{TrackSids: []string{sid}, Subscribe: subscribe},
			}})
		}
		choose(false)
		choose(true)
		wants("a new subscription of its own choice", false, uptrack.MaxLayers-1, 0)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{"TR_nowhere"}, Disabled: true})
		if n := len(bob.p().settings); n != 0 {
			t.Errorf("wishes for %d tracks are remembered", n)
		}
	})
}

func TestWhoIsDeniedATrackIsToldSoEachTimeItComes(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.allow(false)
		bob.heard()
		for range 3 {
			camera := alice.publishCamera()
			if got := bob.heard(); !slices.Contains(got, "permission allowed=false") {
				t.Errorf("bob heard %q", got)
			}
			alice.end(camera)
			bob.heard()
		}
		if n := len(bob.p().denied); n != 0 {
			t.Errorf("%d tracks that are gone are remembered", n)
		}
	})
}

func TestMuteReachesEverybodyAndThePublisher(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		r := alice.publishCamera()
		sid := alice.p().tracks[0].info.Sid
		alice.heard()
		bob.heard()
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: true}}})
		alice.wantHeard("own mute comes back", "update alice:active/1")
		bob.wantHeard("mute", "update alice:active/1")
		if !r.up.Muted() {
			t.Error("still forwarded")
		}
		ctx := context.Background()
		if _, err := tc.reg.MuteTrack(ctx, "demo", "alice", sid, false); !errors.Is(err, ErrRemoteUnmute) {
			t.Errorf("remote unmute: %v", err)
		}
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid}}})
		alice.heard()
		if info, err := tc.reg.MuteTrack(ctx, "demo", "alice", sid, true); err != nil || !info.Muted {
			t.Errorf("remote mute: %v, %v", info, err)
		}
		alice.wantHeard("asked to mute", "mute true", "update alice:active/1")
		if _, err := tc.reg.MuteTrack(ctx, "demo", "alice", "TR_none", true); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("unknown track: %v", err)
		}
	})
}

func TestHiddenParticipantSeesAndIsNotSeen(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishCamera()
		alice.heard()
		j := joinOf("demo", "ghost")
		j.Permission.Hidden = true
		ghost := tc.accept(j)
		ghost.transport(peer.Connected)
		if n := len(ghost.sub().tracks); n != 1 {
			t.Errorf("ghost has %d tracks, want 1", n)
		}
		ghost.leave()
		for _, m := range alice.heard() {
			if m != "tracksubscribed" {
				t.Errorf("alice heard %q", m)
			}
		}
	})
}

func TestCountsAreToldToClientsWithinASecond(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.heard()
		tc.enter("demo", "bob")
		alice.heard()
		sleep(time.Second)
		alice.wantHeard("one update for both joins", `room participants=2 publishers=0 metadata=""`)
	})
}

func TestMediaThatComesBackAtOnceIsTheSameTrack(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		r := alice.publishCamera()
		sid := alice.p().tracks[0].info.Sid
		alice.end(r)
		alice.media("cam", "video") // in another codec, without a new announcement
		if tracks := alice.p().tracks; len(tracks) != 1 || tracks[0].info.Sid != sid {
			t.Fatalf("tracks %v, want %s again", tracks, sid)
		}
		if got := bob.sub().tracks; !slices.Equal(got, []string{alice.h.SID() + "|" + sid}) {
			t.Errorf("bob has %v", got)
		}
		alice.end(alice.p().tracks[0].receiver.(*fakeReceiver))
		sleep(revival + time.Second)
		alice.media("cam", "video")
		sleep(time.Minute)
		if tracks := alice.p().tracks; len(tracks) != 0 {
			t.Errorf("unannounced media was published later: %v", tracks)
		}
	})
}

// Opus that comes without redundancy gets it, unless somebody says no.
func TestRedundancyIsAddedUnlessSomebodySaysNo(t *testing.T) {
	for name, tt := range map[string]struct {
		defaults Defaults
		req      *livekit.AddTrackRequest
		mime     string
		want     bool
	}{
		"the microphone of an agent":     {mime: "audio/opus", want: true},
		"the server's configuration":     {defaults: Defaults{PlainOpus: true}, mime: "audio/opus"},
		"the publisher":                  {req: &livekit.AddTrackRequest{DisableRed: true}, mime: "audio/opus"},
		"what nobody else can read":      {req: &livekit.AddTrackRequest{Encryption: livekit.Encryption_GCM}, mime: "audio/opus"},
		"codecs that the room takes":     {defaults: Defaults{Codecs: []string{"audio/opus", "video/VP8"}}, mime: "audio/opus"},
		"what has it":                    {mime: "audio/red"},
		"codecs that have no such thing": {mime: "audio/PCMU"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Defaults: tt.defaults}, func(tc *test) {
				alice := tc.enter("blue", "alice")
				req := &livekit.AddTrackRequest{Cid: "mic", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE,
					DisableRed: tt.req.GetDisableRed(), Encryption: tt.req.GetEncryption()}
				alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: req}})
				r := &fakeReceiver{id: "mic", kind: "audio", mime: tt.mime, up: uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: tt.mime, ClockRate: 48000}})}
				alice.conn().post(func(_ *state, p *participant) { p.receiverReady(r) })
				synctest.Wait()
				if len(alice.p().tracks) != 1 || r.up.Redundancy() != tt.want {
					t.Errorf("%d tracks, redundancy %t", len(alice.p().tracks), r.up.Redundancy())
				}
			})
		})
	}
}
