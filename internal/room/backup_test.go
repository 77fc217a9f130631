package room

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// announceCodecs announces a camera in VP9, of which VP8 can be had.
func (c *client) announceCodecs(policy livekit.BackupCodecPolicy) *fakeReceiver {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: "camera", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA, BackupCodecPolicy: policy,
		SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: "vp9", Cid: "camera"}, {Codec: "vp8"}},
	}}})
	return c.mediaOf("camera", "video/VP9")
}

func (c *client) announceBackup(sid, codec string) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: "second", Sid: sid, Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA,
		SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: codec, Cid: "second"}},
	}}})
}

func (c *client) mediaOf(cid, mime string) *fakeReceiver {
	r := &fakeReceiver{id: cid, kind: "video", mime: mime, up: uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: mime, ClockRate: 90000}})}
	c.conn().post(func(_ *state, p *participant) { p.receiverReady(r) })
	synctest.Wait()
	return r
}

// rejects says that c does not decode what it is sent of a track.
func (c *client) rejects(sid string) {
	c.conn().senderFailed(c.p().subscriptions[sid].sender, peer.ErrCodecRejected)
	synctest.Wait()
}

// gets is the codec in which c is sent a track.
func (c *client) gets(sid string) string { return c.p().subscriptions[sid].sender.(*fakeSender).mime }

func TestSecondCodecIsForThoseWhoDoNotDecodeTheFirst(t *testing.T) {
	for _, policy := range []livekit.BackupCodecPolicy{livekit.BackupCodecPolicy_PREFER_REGRESSION, livekit.BackupCodecPolicy_SIMULCAST, livekit.BackupCodecPolicy_REGRESSION} {
		t.Run(policy.String(), func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
				first := alice.announceCodecs(policy)
				sid := bob.trackOf(alice)
				alice.heard()
				bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Disabled: true, Fps: 10})
				bob.rejects(sid)
				alice.wantDemands("the second codec is asked for", "wanted LOW MEDIUM HIGH vp8: LOW MEDIUM HIGH")
				if slices.Contains(bob.heard(), "subscriptionresponse") {
					t.Error("bob is told that there is nothing for it")
				}
				alice.announceBackup(sid, "vp8")
				if heard := alice.heard(); !slices.Contains(heard, "trackpublished") {
					t.Errorf("the announcement is answered by %q", heard)
				}
				second := alice.mediaOf("second", "video/VP8")
				regressed := policy != livekit.BackupCodecPolicy_SIMULCAST
				want := map[*client]string{bob: "video/VP8", carol: "video/VP9"}
				if regressed {
					want[carol] = "video/VP8"
					alice.wantDemands("the first codec is not needed any more", "wanted LOW MEDIUM HIGH vp9:")
				}
				for c, mime := range want {
					if got := c.gets(sid); got != mime {
						t.Errorf("%s gets %s, want %s", c.join.Identity, got, mime)
					}
				}
				if down := bob.p().subscriptions[sid].sender.DownTrack(); !down.Paused() || down.MaxFPS() != 10 {
					t.Error("bob's wishes are forgotten")
				}
				dave := tc.enter("demo", "dave")
				dave.rejects(sid)
				if got := dave.gets(sid); got != "video/VP8" {
					t.Errorf("who comes later gets %s", got)
				}
				alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: true}}})
				if !first.up.Muted() || !second.up.Muted() {
					t.Error("a mute is of both codecs")
				}
				alice.end(second)
				if gone := alice.p().ownTrack(sid) == nil; gone != regressed {
					t.Errorf("the track is gone: %v", gone)
				}
				alice.end(first)
				if alice.p().ownTrack(sid) != nil {
					t.Error("the track stays without media")
				}
			})
		})
	}
}

// A recording goes on in the codec that it began with, whoever comes.
func TestRecordedTrackKeepsItsFirstCodec(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		first := alice.announceCodecs(livekit.BackupCodecPolicy_PREFER_REGRESSION)
		sid := bob.trackOf(alice)
		tap, err := tc.reg.Tap(context.Background(), "demo", sid, func() { t.Error("the tap has ended") })
		if err != nil {
			t.Fatal(err)
		}
		tap.Start(new(countingWriter))
		bob.rejects(sid)
		alice.announceBackup(sid, "vp8")
		alice.heard()
		alice.mediaOf("second", "video/VP8")
		for _, told := range alice.demandsHeard() {
			if strings.Contains(told, "vp9:") {
				t.Errorf("the publisher is told %q while it is recorded in VP9", told)
			}
		}
		if n, got := first.up.Stats().Sinks, bob.gets(sid); n != 1 || got != "video/VP8" {
			t.Errorf("%d recordings get the first codec, and bob %s", n, got)
		}
		tap.onEnd = nil
		alice.leave()
	})
}

func TestSecondCodecThatMakesNoSenseIsRefused(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.announceCodecs(livekit.BackupCodecPolicy_SIMULCAST)
		sid := bob.trackOf(alice)
		alice.heard()
		for _, c := range []struct{ sid, codec, want string }{
			{"TR_none", "vp8", "response NOT_FOUND"},
			{sid, "vp9", "response UNSUPPORTED_TYPE"},
		} {
			alice.announceBackup(c.sid, c.codec)
			if got := alice.heard(); !slices.Contains(got, c.want) {
				t.Errorf("%s of %s: answered %q", c.codec, c.sid, got)
			}
		}
		// Without a second codec the client is told, once.
		bob.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		bob.mediaOf("cam", "video/AV1")
		own := alice.trackOf(bob)
		alice.heard()
		alice.rejects(own)
		if got := alice.heard(); !slices.Contains(got, "subscriptionresponse") {
			t.Errorf("told %q", got)
		}
	})
}
