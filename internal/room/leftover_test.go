package room

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// What a room does late, or for somebody who has gone meanwhile, leaves nothing behind.

func TestStaleMuteOfAForwardingIsNotTheOriginals(t *testing.T) {
	ctx := context.Background()
	inBubble(t, Options{}, func(tc *test) {
		ana, cem := tc.enter("demo", "ana"), tc.enter("attic", "cem")
		r := ana.publishCamera()
		if err := tc.reg.ForwardParticipant(ctx, &livekit.ForwardParticipantRequest{Room: "demo", Identity: "ana", DestinationRoom: "attic"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sid := ana.p().tracks[0].info.Sid
		gate := make(chan struct{})
		cem.room().post(func(*state) { <-gate })
		mute := func(on bool) {
			ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: on}}})
		}
		mute(true)
		go func() { _ = tc.reg.RemoveParticipant(ctx, "attic", "ana", time.Time{}) }()
		synctest.Wait()
		mute(false)
		close(gate)
		sleep(5 * time.Second)
		if r.up.Muted() {
			t.Error("the media stays muted, and the track is not")
		}
		ana.leave()
		cem.leave()
	})
}

func TestWhoIsAwayHearsThatSomebodyLeftWhoCameBackInVain(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
		ana.h.SignalLost(ana.sink)
		synctest.Wait()
		ben.leave()
		again := tc.accept(joinOf("demo", "ben")) // is not connected
		sink := &recorder{}
		if _, err := tc.reg.Resume(context.Background(), ana.join, ana.h.SID(), sink); err != nil {
			t.Fatal(err)
		}
		again.h.SignalLost(again.sink)
		sleep(70 * time.Second)
		back := &client{tc: tc, sink: sink, join: ana.join, h: ana.h}
		if heard := back.heard(); !slices.ContainsFunc(heard, func(word string) bool { return strings.Contains(word, "ben:disconnected") }) {
			t.Errorf("ana hears %q", heard)
		}
		ana.leave()
	})
}

func TestTapOfWhoHasGivenUpEnds(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		ana.publishCamera()
		sid := ana.p().tracks[0].info.Sid
		tc.reg.opts.Sync = func(ctx context.Context, _ uint64) error { <-ctx.Done(); return ctx.Err() }
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			if _, err := tc.reg.Tap(ctx, "demo", sid, nil); err == nil {
				t.Error("a tap that is not durable")
			}
			if _, err := tc.reg.Watch(ctx, "demo", func(Change) {}); err == nil {
				t.Error("a watch that is not durable")
			}
			cancel()
		}
		tc.reg.opts.Sync = nil
		rooms, err := tc.reg.List(context.Background(), nil)
		if err != nil || rooms[0].ActiveRecording {
			t.Errorf("%v, %v: recorded by nobody", rooms, err)
		}
		ana.leave()
	})
}

func TestMediaThatCannotComeBackIsNotKept(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		ana.end(ana.publishCamera())
		kept := func() (n int) {
			ana.conn().post(func(_ *state, p *participant) { n = len(p.ended) })
			synctest.Wait()
			return n
		}
		if kept() != 1 {
			t.Fatal("it may come back")
		}
		sleep(revival)
		if n := kept(); n != 0 {
			t.Errorf("%d tracks are kept", n)
		}
		ana.leave()
	})
}

func TestDataTracksOfWhoIsHiddenGoToNobody(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PublishDataTrackRequest{
			PublishDataTrackRequest: &livekit.PublishDataTrackRequest{PubHandle: 1, Name: "x"}}})
		ben.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateDataSubscription{UpdateDataSubscription: &livekit.UpdateDataSubscription{
			Updates: []*livekit.UpdateDataSubscription_Update{{TrackSid: ana.p().dataTracks[0].info.Sid, Subscribe: true}}}}})
		frame := make([]byte, 20)
		frame[3] = 1
		send := func() (got int) {
			before := len(ben.sub().frames)
			ana.conn().Data(peer.DataTrack, "_data_track", frame)
			synctest.Wait()
			return len(ben.sub().frames) - before
		}
		if send() != 1 {
			t.Fatal("ben gets nothing at all")
		}
		permission := proto.CloneOf(ana.join.Permission)
		permission.Hidden = true
		if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{Room: "demo", Identity: "ana", Permission: permission}); err != nil {
			t.Fatal(err)
		}
		if n := send(); n != 0 {
			t.Errorf("ben gets %d frames of somebody who is hidden", n)
		}
		ana.leave()
		ben.leave()
	})
}

func TestWhatWaitsForATurnGoesAlongToAnotherRoom(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enterCore("ana", livekit.ClientInfo_NODE)
		ana.duplexState(peer.Connected)
		ana.sayOffer("v=0")
		ana.heard()
		ana.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		ana.wantHeard("nothing while its offer is here")
		if err := tc.reg.MoveParticipant(context.Background(), &livekit.MoveParticipantRequest{Room: "demo", Identity: "ana", DestinationRoom: "attic"}); err != nil {
			t.Fatal(err)
		}
		ana.conn().PublisherAnswer("v=0", 1, nil)
		synctest.Wait()
		if heard := ana.heard(); !slices.Contains(heard, "trackpublished") {
			t.Errorf("heard %q", heard)
		}
		ana.leave()
	})
}

func TestJoinOfWhoHasGivenUpTakesNobodysPlace(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		gate := make(chan struct{})
		ana.room().post(func(*state) { <-gate })
		ctx, cancel := context.WithCancel(context.Background())
		joined := make(chan error, 1)
		go func() {
			_, err := tc.reg.Join(ctx, joinOf("demo", "ana"), &recorder{})
			joined <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-joined; err == nil {
			t.Error("a join that nobody waits for")
		}
		close(gate)
		synctest.Wait()
		for _, e := range tc.events {
			if e.Name == event.ParticipantLeft {
				t.Errorf("ana has left: %s", e.Reason)
			}
		}
		ana.leave()
	})
}
