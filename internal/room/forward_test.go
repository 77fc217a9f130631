package room

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

func (tc *test) forward(c *client, to string) error {
	err := tc.reg.ForwardParticipant(context.Background(), &livekit.ForwardParticipantRequest{
		Room: c.room().name, Identity: c.join.Identity, DestinationRoom: to,
	})
	synctest.Wait()
	return err
}

func TestForwardedParticipantIsSeenInBothRooms(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		camera := ana.publishCamera()
		sleep(2 * time.Second)
		ben.heard()
		n := len(tc.events)
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		tc.wantEventsSince(n, "forwarded", "participant_joined ana 2/0", "track_published ana 2/1")
		double := tc.events[n].Participant
		if !slices.Contains(double.KindDetails, livekit.ParticipantInfo_FORWARDED) || double.Sid == ana.h.SID() {
			t.Errorf("joined as %v", double)
		}
		ben.wantHeard("forwarded", "update ana:active/0", "update ana:active/1")
		if got := ben.sub().tracks; len(got) != 1 || got[0] != double.Sid+"|"+tc.events[n+1].Track.Sid {
			t.Errorf("receives %q of %s", got, double.Sid)
		}
		if err := tc.forward(ana, "attic"); err != nil {
			t.Errorf("again: %v", err)
		}

		// What changes there is seen here.
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{
			Name: "Ana", Metadata: "m", Attributes: map[string]string{"a": "1", "b": "2"}}}})
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{
			Attributes: map[string]string{"a": ""}}}})
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{
			Sid: ana.p().tracks[0].info.Sid, Muted: true}}})
		info, err := tc.reg.Participant(context.Background(), "attic", "ana")
		if err != nil {
			t.Fatal(err)
		}
		if info.Name != "Ana" || info.Metadata != "m" || len(info.Attributes) != 1 || info.Attributes["b"] != "2" || !info.Tracks[0].Muted {
			t.Errorf("the double is %v", info)
		}
		ben.heard()
		ana.end(camera)
		ben.wantHeard("the track ended", "update ana:active/0")
		ana.announce("again", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		ana.media("again", "audio")
		ben.wantHeard("another began", "update ana:active/1")

		n = len(tc.events)
		ana.leave()
		tc.wantEventsSince(n, "the original left",
			"track_unpublished ana 1/0", "participant_left ana 0/0", "track_unpublished ana 2/0", "participant_left ana 1/0")
		ben.wantHeard("the original left", "update ana:disconnected/0")
	})
}

func TestForwardingEndsWhereItLeadsTo(t *testing.T) {
	for name, end := range map[string]func(tc *test){
		"removed there": func(tc *test) {
			if err := tc.reg.RemoveParticipant(context.Background(), "attic", "ana", time.Time{}); err != nil {
				tc.t.Error(err)
			}
		},
		"room deleted there": func(tc *test) {
			if err := tc.reg.Delete(context.Background(), "attic"); err != nil {
				tc.t.Error(err)
			}
		},
		"replaced there": func(tc *test) { tc.enter("attic", "ana") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				ana := tc.enter("den", "ana")
				ana.publishCamera()
				if err := tc.forward(ana, "attic"); err != nil {
					t.Fatal(err)
				}
				end(tc)
				synctest.Wait()
				if n := len(ana.p().forwards); n != 0 {
					t.Errorf("still forwarded %d times", n)
				}
				if d := ana.p().tracks[0].demand.elsewhere; len(d) != 0 {
					t.Errorf("still wanted elsewhere: %v", d)
				}
				ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Name: "x"}}})
			})
		})
	}
}

func TestForwardingEndsWhenItsOriginalIsMoved(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		if err := tc.move(ana, "cellar"); err != nil {
			t.Fatal(err)
		}
		if got := ben.room().names(t); !slices.Equal(got, []string{"ben"}) {
			t.Errorf("there are %q", got)
		}
	})
}

// What is wanted where it is forwarded to counts as much as what is wanted at home.
func TestPublisherSendsWhatIsWantedElsewhere(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		ana.publishSimulcast("q", "h", "f")
		sleep(demandPause + time.Second)
		ana.wantDemands("nobody is there", "wanted")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		sleep(2 * demandPause)
		ana.wantDemands("nobody is there either")
		ben := tc.enter("attic", "ben")
		ana.wantDemands("somebody is", "wanted LOW MEDIUM HIGH")
		ben.settings(&livekit.UpdateTrackSettings{TrackSids: []string{ben.trackOf(ana)}, Quality: livekit.VideoQuality_LOW})
		sleep(3 * demandPause)
		ana.wantDemands("a small picture will do", "wanted LOW")
		ben.leave()
		sleep(3 * demandPause)
		ana.wantDemands("nobody is there any more", "wanted")
	})
}

func TestForwardedParticipantIsChangedAtHomeOnly(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		ana.publishCamera()
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		double, err := tc.reg.Participant(ctx, "attic", "ana")
		if err != nil {
			t.Fatal(err)
		}
		_, err = tc.reg.MuteTrack(ctx, "attic", "ana", double.Tracks[0].Sid, true)
		wantRefusal(t, "mute", err, FailedPrecondition)
		_, err = tc.reg.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "attic", Identity: "ana", Name: "x"})
		wantRefusal(t, "update", err, FailedPrecondition)
		wantRefusal(t, "subscribe", tc.reg.UpdateSubscriptions(ctx, &livekit.UpdateSubscriptionsRequest{Room: "attic", Identity: "ana"}), FailedPrecondition)
		_, err = tc.reg.PerformRPC(ctx, &livekit.PerformRpcRequest{Room: "attic", DestinationIdentity: "ana", Method: "m"})
		wantRefusal(t, "call", err, FailedPrecondition)
		wantRefusal(t, "move", tc.reg.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: "attic", Identity: "ana", DestinationRoom: "cellar"}), FailedPrecondition)
		wantRefusal(t, "forward", tc.reg.ForwardParticipant(ctx, &livekit.ForwardParticipantRequest{Room: "attic", Identity: "ana", DestinationRoom: "cellar"}), FailedPrecondition)
		if _, err := tc.reg.Resume(ctx, joinOf("attic", "ana"), "", &recorder{}); err == nil {
			t.Error("somebody resumed the double")
		}
		tc.enter("yard", "ana")
		wantRefusal(t, "somebody is there", tc.forward(ana, "yard"), AlreadyExists)
		if n := len(ana.p().forwards); n != 1 {
			t.Errorf("forwarded %d times", n)
		}
	})
}

func TestForwardedParticipantKeepsItsRules(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{
			SubscriptionPermission: &livekit.SubscriptionPermission{}}})
		ana.publishCamera()
		if got := ben.sub().tracks; len(got) != 0 {
			t.Errorf("who lets nobody subscribe is received: %q", got)
		}
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{
			SubscriptionPermission: &livekit.SubscriptionPermission{AllParticipants: true}}})
		if got := ben.sub().tracks; len(got) != 1 {
			t.Errorf("received: %q", got)
		}
		_, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
			Room: "den", Identity: "ana", Permission: &livekit.ParticipantPermission{CanSubscribe: true, Hidden: true}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := ben.sub().tracks; len(got) != 0 {
			t.Errorf("who may not publish is received: %q", got)
		}
		// Between two rooms there is no order.
		told := slices.ContainsFunc(tc.beyond, func(e event.Event) bool {
			return e.Name == event.ParticipantPermissionsChanged && e.Room.Name == "attic"
		})
		if !told {
			t.Error("the attic is not told of other permissions")
		}
	})
}

// The original's room hears of an end a little later than who caused it.
func TestForwardingMayBeginAgainAtOnce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		tc.enter("attic", "ben")
		for range 20 {
			if err := tc.reg.ForwardParticipant(context.Background(), &livekit.ForwardParticipantRequest{
				Room: "den", Identity: "ana", DestinationRoom: "attic"}); err != nil {
				t.Fatal(err)
			}
			if err := tc.reg.RemoveParticipant(context.Background(), "attic", "ana", time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(ana.p().forwards); n != 0 {
			t.Errorf("forwarded %d times", n)
		}
	})
}

// Who does not decode the first codec of what is forwarded gets the second, which
// its publisher is asked for where that is; and those who can go on with the first,
// unless the publisher's policy is that all change.
func TestSecondCodecIsForwardedToo(t *testing.T) {
	for _, policy := range []livekit.BackupCodecPolicy{livekit.BackupCodecPolicy_PREFER_REGRESSION, livekit.BackupCodecPolicy_SIMULCAST} {
		t.Run(policy.String(), func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				ana, ben, cleo := tc.enter("den", "ana"), tc.enter("attic", "ben"), tc.enter("attic", "cleo")
				first := ana.announceCodecs(policy)
				if err := tc.forward(ana, "attic"); err != nil {
					t.Fatal(err)
				}
				sid, home := ben.trackOf(ana), ana.p().tracks[0].info.Sid
				ana.heard()
				ben.heard()
				ben.rejects(sid)
				ana.wantDemands("the second codec is asked for", "wanted LOW MEDIUM HIGH vp8: LOW MEDIUM HIGH")
				ana.announceBackup(home, "vp8")
				second := ana.mediaOf("second", "video/VP8")
				want := map[*client]string{ben: "video/VP8", cleo: "video/VP9"}
				if policy != livekit.BackupCodecPolicy_SIMULCAST {
					want[cleo] = "video/VP8"
				}
				for c, mime := range want {
					if got := c.gets(sid); got != mime {
						t.Errorf("%s gets %s, want %s", c.join.Identity, got, mime)
					}
				}
				// Those too who come later, and in a room that comes later.
				dora, emma := tc.enter("attic", "dora"), tc.enter("cellar", "emma")
				if err := tc.forward(ana, "cellar"); err != nil {
					t.Fatal(err)
				}
				for _, c := range []*client{dora, emma} {
					if c.gets(c.trackOf(ana)) != "video/VP8" {
						c.rejects(c.trackOf(ana))
					}
					if got := c.gets(c.trackOf(ana)); got != "video/VP8" {
						t.Errorf("%s gets %s", c.join.Identity, got)
					}
				}
				for _, c := range []*client{ben, dora, emma} {
					heard := c.heard()
					if slices.Contains(heard, "subscriptionresponse") {
						t.Errorf("%s is told that there is nothing: %q", c.join.Identity, heard)
					}
				}
				// What has ended is not kept there, nor given to who comes later.
				ended, ends := second, ana.p().tracks[0].backup.receiver
				if policy != livekit.BackupCodecPolicy_SIMULCAST {
					ended = first
				}
				if ends != Receiver(ended) {
					t.Fatalf("the media beside the first is %v", ends)
				}
				ana.end(ended)
				if tracks := ben.p().state.participants["ana"].tracks; len(tracks) != 1 || tracks[0].backup.receiver != nil {
					t.Errorf("the other room still has media that ended: %v", tracks)
				}
				ana.end(second)
				ana.end(first)
				if got := len(ben.p().state.participants["ana"].tracks); got != 0 {
					t.Errorf("%d tracks stay without media", got)
				}
			})
		})
	}
}

// A recording of a double goes on in the codec that it began with, as one of the
// original does, even if it began while the second took the first one's place.
func TestRecordedDoubleKeepsItsFirstCodec(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("as the second comes: ", late), func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
				first := ana.announceCodecs(livekit.BackupCodecPolicy_PREFER_REGRESSION)
				if err := tc.forward(ana, "attic"); err != nil {
					t.Fatal(err)
				}
				sid := ben.trackOf(ana)
				ben.rejects(sid)
				ana.announceBackup(ana.p().tracks[0].info.Sid, "vp8")
				ana.heard()
				release := make(chan struct{})
				var tap *Tap
				ben.p().state.room.post(func(s *state) {
					if late {
						<-release
					}
					tap = s.tap(s.tracks[sid], func() { t.Error("the tap has ended") })
				})
				synctest.Wait()
				second := ana.mediaOf("second", "video/VP8")
				close(release)
				synctest.Wait()
				tap.Start(new(countingWriter))
				if told := ana.demandsHeard(); len(told) > 0 && strings.HasSuffix(told[len(told)-1], "vp9:") {
					t.Errorf("the publisher is told %q at last", told)
				}
				if n := first.up.Stats().Sinks; n != 1 {
					t.Errorf("%d recordings get the first codec", n)
				}
				if got := ben.gets(sid); got != "video/VP8" {
					t.Errorf("ben gets %s", got)
				}
				// When it is over, all is as without it.
				tap.Close()
				synctest.Wait()
				if late {
					ana.wantDemands("the first codec is not needed any more", "wanted LOW MEDIUM HIGH vp9:")
				}
				again := ben.p().state.tracks[sid]
				if again.recordedFirst() || ana.p().tracks[0].recordedFirst() {
					t.Error("a recording that is over still counts")
				}
				ana.end(first)
				ana.end(second)
			})
		})
	}
}

// Who does not decode what is forwarded, and has no other codec of it, is told.
func TestWhoDoesNotDecodeWhatIsForwardedIsTold(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		ana.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		ana.mediaOf("cam", "video/AV1")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ben.heard()
		ben.rejects(ben.trackOf(ana))
		if got := ben.heard(); !slices.Contains(got, "subscriptionresponse") {
			t.Errorf("ben heard %q", got)
		}
	})
}
