package room

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// move has the API move c, and c hold its new sid for its session.
func (tc *test) move(c *client, to string) error {
	err := tc.reg.MoveParticipant(context.Background(), &livekit.MoveParticipantRequest{
		Room: c.room().name, Identity: c.join.Identity, DestinationRoom: to,
	})
	synctest.Wait()
	tc.identities[c.h.SID()] = c.join.Identity
	return err
}

func wantRefusal(t *testing.T, why string, err error, code Code) {
	t.Helper()
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Code != code {
		t.Errorf("%s: got %v, want %s", why, err, code)
	}
}

func TestMovedParticipantKeepsItsConnectionAndItsTracks(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben, cem := tc.enter("den", "ana"), tc.enter("den", "ben"), tc.enter("attic", "cem")
		camera := ana.publishCamera()
		ben.publishCamera()
		cem.publishCamera()
		sleep(2 * time.Second)
		for _, c := range []*client{ana, ben, cem} {
			c.heard()
		}
		n := len(tc.events)
		before, sub, track := ana.h.SID(), ana.sub(), ana.p().tracks[0].info.Sid

		if err := tc.move(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		tc.wantEventsSince(n, "moved",
			"track_unpublished ana 2/1", "participant_left ana 1/1",
			"participant_joined ana 2/1", "track_published ana 2/2")
		left, joined := tc.events[n+1], tc.events[n+2]
		if left.Participant.Sid != before || joined.Participant.Sid == before || left.Participant.DisconnectReason != livekit.DisconnectReason_MIGRATION ||
			left.Actor != event.ActorAPI || left.Reason != moved {
			t.Errorf("left %v by %s for %q, joined %v", left.Participant, left.Actor, left.Reason, joined.Participant)
		}
		if ana.p().tracks[0].info.Sid != track || ana.p().tracks[0].receiver != Receiver(camera) {
			t.Errorf("the track is another: %v", ana.p().tracks[0].info)
		}
		if sub.closed || ana.sub() != sub || len(sub.tracks) != 1 || sub.tracks[0] != cem.h.SID()+"|"+cem.p().tracks[0].info.Sid {
			t.Errorf("the connection carries %q", sub.tracks)
		}
		ana.wantHeard("moved", "moved attic as active/1 others=1")
		ben.wantHeard("one was moved away", "update ana:disconnected/0")
		cem.wantHeard("one was moved here", "update ana:active/0", "update ana:active/1", "tracksubscribed")

		// Both ways of the connection lead to the new room.
		cem.heard()
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: track, Muted: true}}})
		cem.wantHeard("muted there", "update ana:active/1")
		ana.end(camera)
		cem.wantHeard("ended there", "update ana:active/0")
		n = len(tc.events)
		ana.leave()
		tc.wantEventsSince(n, "left", "participant_left ana 1/1")
	})
}

func TestMovedParticipantThatWasNotThereHearsOfItWhenItResumes(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		tc.enter("attic", "ben")
		ana.publishCamera()
		sid := ana.h.SID()
		ana.h.SignalLost(ana.sink)
		synctest.Wait()
		if err := tc.move(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.CanResume(context.Background(), ana.join, sid); err != nil {
			t.Fatal(err)
		}
		for _, held := range []string{sid, ana.h.SID()} {
			ana.sink = &recorder{}
			h, err := tc.reg.Resume(context.Background(), ana.join, held, ana.sink)
			if held == sid && err != nil {
				t.Fatal(err)
			}
			if held != sid {
				// It knows its new room by now, and so does its token.
				ana.join = joinOf("attic", "ana")
				if h, err = tc.reg.Resume(context.Background(), ana.join, held, ana.sink); err != nil {
					t.Fatal(err)
				}
			}
			ana.h = h
			got := ana.heard()
			if told := len(got) > 1 && got[0] == "reconnect" && got[1] == "moved attic as active/1 others=1"; told != (held == sid) {
				t.Errorf("resumed with %s, which is %s now: %q", held, ana.h.SID(), got)
			}
		}
	})
}

func TestWhoCannotBeMovedStaysWhereItIs(t *testing.T) {
	inBubble(t, Options{Defaults: Defaults{NoAutoCreate: true}}, func(tc *test) {
		for _, name := range []string{"den", "full"} {
			if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: name, MaxParticipants: 3}); err != nil {
				t.Fatal(err)
			}
		}
		for _, who := range []string{"x", "y", "z"} {
			tc.enter("full", who)
		}
		ana := tc.enter("den", "ana")
		old := joinOf("den", "old")
		old.Client.Protocol = moveProtocol - 1
		late := tc.accept(joinOf("den", "late"))
		elder := tc.accept(old)
		elder.transport(peer.Connected)
		for _, tt := range []struct {
			why  string
			who  *client
			to   string
			want Code
		}{
			{"full room", ana, "full", ResourceExhausted},
			{"no such room", ana, "nowhere", NotFound},
			{"the same room", ana, "den", InvalidArgument},
			{"no room", ana, "", InvalidArgument},
			{"not connected", late, "full", FailedPrecondition},
			{"old client", elder, "full", FailedPrecondition},
		} {
			wantRefusal(t, tt.why, tc.move(tt.who, tt.to), tt.want)
		}
		if names := len(ana.room().names(t)); names != 3 {
			t.Errorf("%d are left in the room", names)
		}
	})
}

// names are the identities in the room.
func (r *Room) names(t *testing.T) (names []string) {
	t.Helper()
	if _, err := r.do(context.Background(), func(s *state) {
		for _, p := range s.inOrder {
			names = append(names, p.identity)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestPlaceIsKeptForWhoIsMoved(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "attic", MaxParticipants: 1}); err != nil {
			t.Fatal(err)
		}
		ana := tc.enter("den", "ana")
		attic, err := tc.reg.expect(context.Background(), "attic", ana.join)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tc.reg.Join(context.Background(), joinOf("attic", "ben"), &recorder{}); !errors.Is(err, ErrRoomFull) {
			t.Errorf("somebody else took the place: %v", err)
		}
		if _, err := tc.reg.expect(context.Background(), "attic", ana.join); err != nil {
			t.Errorf("the same place is hers: %v", err)
		}
		attic.post(func(s *state) { s.expectNoLonger("ana") })
		tc.enter("attic", "ben")
		wantRefusal(t, "now it is full", tc.move(ana, "attic"), ResourceExhausted)
	})
}

// busy has the room's loop do something else for a while.
func (r *Room) busy(d time.Duration) { r.post(func(*state) { time.Sleep(d) }) }

// A caller that gives up while the room is busy gives up the place, too: nobody else would,
// and the room would stay open for ever.
func TestPlaceOfAMoveWhoseCallerGaveUpIsNotKept(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		attic := ben.room()
		attic.busy(2 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := tc.reg.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: "den", Identity: "ana", DestinationRoom: "attic"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("moved: %v", err)
		}
		sleep(5 * time.Second)
		if ana.room().name != "den" {
			t.Errorf("ana is in %s", ana.room().name)
		}
		ben.leave()
		sleep(time.Minute)
		if tc.reg.lookup("attic") != nil {
			t.Error("the room waits for somebody who does not come")
		}
	})
}

func TestMoveIntoARoomThatIsDeletedMeanwhileMakesItAnew(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		attic, err := tc.reg.expect(context.Background(), "attic", ana.join)
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.Delete(context.Background(), "attic"); err != nil {
			t.Fatal(err)
		}
		if !ana.p().berth.hold() {
			t.Fatal("being moved already")
		}
		if _, err := tc.reg.carry(context.Background(), ana.p(), attic, "attic"); err != nil {
			t.Fatal(err)
		}
		if r := ana.room(); r == attic || r.name != "attic" {
			t.Errorf("in %s %s", r.name, r.sid)
		}
	})
}

func TestServerThatStopsDuringAMoveSendsTheClientAway(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		attic, err := tc.reg.expect(context.Background(), "attic", ana.join)
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.Delete(context.Background(), "attic"); err != nil {
			t.Fatal(err)
		}
		tc.reg.mu.Lock()
		tc.reg.stopping = true
		tc.reg.mu.Unlock()
		sub := ana.sub()
		ana.heard()
		ana.p().berth.hold()
		if _, err := tc.reg.carry(context.Background(), ana.p(), attic, "attic"); !errors.Is(err, ErrStopping) {
			t.Errorf("moved: %v", err)
		}
		ana.wantHeard("stranded", "leave SERVER_SHUTDOWN RESUME")
		if !sub.closed || !ana.sink.closed {
			t.Errorf("connection closed: %v, signal closed: %v", sub.closed, ana.sink.closed)
		}
		ana.leave() // reaches nobody
	})
}

func TestWhatComesDuringAMoveGoesToTheNewRoomInOrder(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		attic, err := tc.reg.expect(context.Background(), "attic", ana.join)
		if err != nil {
			t.Fatal(err)
		}
		old := ana.p()
		old.berth.hold()
		if old.berth.hold() {
			t.Error("held twice")
		}
		var got []int
		for i := range 10 {
			ana.h.berth.post(func(s *state, p *participant) {
				if s.room == attic && p != old {
					got = append(got, i)
				}
			})
		}
		if _, err := tc.reg.carry(context.Background(), old, attic, "attic"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 10 {
			if len(got) != 10 || got[i] != i {
				t.Fatalf("arrived: %v", got)
			}
		}
	})
}

// The publisher of a layer that nobody in the old room wanted is told when
// somebody in the new one does.
func TestDynacastGoesOnWhereItWasAfterAMove(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("den", "ana")
		ana.publishSimulcast("q", "h", "f")
		sleep(demandPause + time.Second)
		ana.heard()
		tc.enter("attic", "ben")
		if err := tc.move(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ana.wantDemands("somebody looks", "wanted LOW MEDIUM HIGH")
	})
}

func TestSecondCodecIsMovedToo(t *testing.T) {
	for _, policy := range []livekit.BackupCodecPolicy{livekit.BackupCodecPolicy_SIMULCAST, livekit.BackupCodecPolicy_REGRESSION} {
		inBubble(t, Options{}, func(tc *test) {
			ana, ben, cem := tc.enter("den", "ana"), tc.enter("den", "ben"), tc.enter("attic", "cem")
			ana.announceCodecs(policy)
			sid := ben.trackOf(ana)
			ben.rejects(sid)
			ana.announceBackup(sid, "vp8")
			second := ana.mediaOf("second", "video/VP8")
			if err := tc.move(ana, "attic"); err != nil {
				t.Fatal(err)
			}
			if policy == livekit.BackupCodecPolicy_SIMULCAST {
				if got := cem.gets(sid); got != "video/VP9" {
					t.Errorf("before it says anything: %s", got)
				}
				cem.rejects(sid)
			}
			if got := cem.gets(sid); got != "video/VP8" {
				t.Errorf("%s: cem gets %s", policy, got)
			}
			if codecs := ana.p().tracks[0].info.Codecs; len(codecs) != 2 || codecs[0].MimeType != "video/VP9" {
				t.Errorf("%s: described with %v", policy, codecs)
			}
			ana.end(second)
		})
	}
}

func TestDataTracksAreMovedToo(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben, cem := tc.enter("den", "ana"), tc.enter("den", "ben"), tc.enter("attic", "cem")
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PublishDataTrackRequest{
			PublishDataTrackRequest: &livekit.PublishDataTrackRequest{PubHandle: 7, Name: "points"}}})
		sid := ana.p().dataTracks[0].info.Sid
		subscribe := &livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateDataSubscription{
			UpdateDataSubscription: &livekit.UpdateDataSubscription{Updates: []*livekit.UpdateDataSubscription_Update{{TrackSid: sid, Subscribe: true}}}}}
		ben.say(subscribe)
		ana.heard()
		if err := tc.move(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		moved := ana.sink.messages[0].GetRoomMoved().GetParticipant()
		if len(moved.GetDataTracks()) != 1 || moved.DataTracks[0].Sid != sid {
			t.Errorf("the client is told of %v", moved)
		}
		ana.wantHeard("its track goes on", "moved attic as active/0 others=1")
		cem.say(subscribe)
		if ben, cem := len(ben.p().dataHandles), len(cem.p().dataHandles); ben != 0 || cem != 1 {
			t.Errorf("ben has %d data tracks, cem %d", ben, cem)
		}
	})
}
