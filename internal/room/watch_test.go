package room

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWatchTellsWhatIsPublishedAndWhatBecomesOfIt(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		sleep(time.Second)
		var told []string
		names := map[ChangeKind]string{
			TrackPublished: "published", TrackChanged: "changed", TrackUnpublished: "unpublished",
			ParticipantHere: "here", ParticipantGone: "gone", RoomOver: "over",
		}
		watch, err := tc.reg.Watch(context.Background(), "demo", func(c Change) {
			word := names[c.What]
			if c.Participant != nil {
				word += " " + c.Participant.Identity
			}
			if c.Track.GetMuted() {
				word += " muted"
			}
			told = append(told, word)
		})
		if err != nil || watch.Room.Name != "demo" {
			t.Fatalf("%v %v", watch, err)
		}
		want := func(what string) {
			t.Helper()
			sleep(time.Second)
			if got := strings.Join(told, ", "); got != what {
				t.Errorf("told %q, want %q", got, what)
			}
			told = nil
		}
		want("here alice, published alice, here bob")
		rooms, err := tc.reg.List(context.Background(), []string{"demo"})
		if err != nil || !rooms[0].ActiveRecording || rooms[0].NumParticipants != 2 {
			t.Errorf("%v %v", rooms, err)
		}
		sid := alice.p().tracks[0].info.Sid
		if _, err := tc.reg.MuteTrack(context.Background(), "demo", "alice", sid, true); err != nil {
			t.Fatal(err)
		}
		want("changed alice muted")
		alice.leave()
		want("unpublished alice muted, gone alice")
		bob.leave()
		want("gone bob")
		if err := tc.reg.Delete(context.Background(), "demo"); err != nil {
			t.Fatal(err)
		}
		want("over")
		watch.Close()
		if _, err := tc.reg.Watch(context.Background(), "demo", nil); !errors.Is(err, ErrRoomNotFound) {
			t.Errorf("of a room that is not: %v", err)
		}
	})
}

func TestClosedWatchIsToldNothingAndRecordsNothing(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		told := 0
		watch, err := tc.reg.Watch(context.Background(), "demo", func(Change) { told++ })
		if err != nil {
			t.Fatal(err)
		}
		watch.Close()
		watch.Close()
		sleep(time.Second)
		before := told
		alice.publishCamera()
		sleep(time.Second)
		rooms, err := tc.reg.List(context.Background(), []string{"demo"})
		if err != nil || told != before || rooms[0].ActiveRecording {
			t.Errorf("told %d times after the end; %v %v", told-before, rooms, err)
		}
	})
}
