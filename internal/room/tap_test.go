package room

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

type countingWriter int

func (w *countingWriter) WriteRTP(*rtp.Header, []byte, uptrack.Batch) (int, error) {
	*w++
	return 0, nil
}

func TestTapIsNobodyAndCountsAsARecording(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishSimulcast("q", "h", "f")
		sid := bob.trackOf(alice)
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{sid}, Disabled: true})
		sleep(2 * demandPause)
		alice.demandsHeard()

		ended := 0
		tap, err := tc.reg.Tap(context.Background(), "demo", sid, func() { ended++ })
		if err != nil {
			t.Fatal(err)
		}
		if tap.Participant.Identity != "alice" || tap.Track.Sid != sid {
			t.Errorf("tapped %v of %v", tap.Track, tap.Participant)
		}
		sleep(time.Second)
		alice.wantDemands("a tap wants the best there is", "wanted LOW MEDIUM HIGH")
		recorded := func(want bool) {
			t.Helper()
			rooms, err := tc.reg.List(context.Background(), []string{"demo"})
			if err != nil || len(rooms) != 1 || rooms[0].ActiveRecording != want || rooms[0].NumParticipants != 2 {
				t.Errorf("%v %v, want it recorded: %v", rooms, err, want)
			}
		}
		recorded(true)
		tap.Start(new(countingWriter))
		tap.Close()
		tap.Close()
		sleep(2 * demandPause)
		alice.wantDemands("nobody wants any of it", "wanted")
		recorded(false)
		if ended != 0 {
			t.Error("a tap that was closed heard of an end")
		}

		if _, err := tc.reg.Tap(context.Background(), "demo", sid, func() { ended++ }); err != nil {
			t.Fatal(err)
		}
		alice.leave()
		sleep(time.Second)
		if ended != 1 {
			t.Errorf("heard %d times that the track ended", ended)
		}
		if _, err := tc.reg.Tap(context.Background(), "demo", sid, nil); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("of a track that is gone: %v", err)
		}
		if _, err := tc.reg.Tap(context.Background(), "nowhere", sid, nil); !errors.Is(err, ErrRoomNotFound) {
			t.Errorf("of a room that is not: %v", err)
		}
	})
}

func TestEncryptedTracksAreNotTapped(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
			Cid: "mic", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE, Encryption: livekit.Encryption_GCM,
		}}})
		alice.media("mic", "audio")
		sleep(time.Second)
		_, err := tc.reg.Tap(context.Background(), "demo", alice.p().tracks[0].info.Sid, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != FailedPrecondition {
			t.Errorf("%v", err)
		}
	})
}
