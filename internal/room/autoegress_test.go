package room

import (
	"context"
	"errors"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// TestRoomIsCheckedForEgressWithoutTheLock would hang if others had to wait meanwhile.
func TestRoomIsCheckedForEgressWithoutTheLock(t *testing.T) {
	checked, begun := 0, 0
	var tc *test
	o := Options{
		CheckEgress: func(context.Context, *livekit.RoomEgress) error {
			checked++
			tc.reg.lookup("another")
			return nil
		},
		Egress: func(r *livekit.Room, _ *livekit.RoomEgress) {
			begun++
			if got := tc.reg.lookup(r.Name); got == nil || got.sid != r.Sid {
				t.Errorf("recording of %s begins, which is not there", r.Name)
			}
		},
	}
	inBubble(t, o, func(made *test) {
		tc = made
		req := &livekit.CreateRoomRequest{Name: "demo", Egress: &livekit.RoomEgress{Tracks: &livekit.AutoTrackEgress{}}}
		tc.create(req)
		tc.create(req)
		if checked != 1 || begun != 1 {
			t.Errorf("checked %d times, begun %d times, want once each", checked, begun)
		}
	})
}

// TestRoomThatIsMadeWhileAnotherIsCheckedIsTheOnlyOne has both asked for at once.
func TestRoomThatIsMadeWhileAnotherIsCheckedIsTheOnlyOne(t *testing.T) {
	begun := 0
	var tc *test
	o := Options{
		CheckEgress: func(_ context.Context, e *livekit.RoomEgress) error {
			if e.Tracks.Filepath == "first" {
				tc.create(&livekit.CreateRoomRequest{Name: "demo"})
			}
			if e.Tracks.Filepath == "bad" {
				return errors.New("no")
			}
			return nil
		},
		Egress: func(*livekit.Room, *livekit.RoomEgress) { begun++ },
	}
	inBubble(t, o, func(made *test) {
		tc = made
		egress := func(path string) *livekit.RoomEgress {
			return &livekit.RoomEgress{Tracks: &livekit.AutoTrackEgress{Filepath: path}}
		}
		tc.create(&livekit.CreateRoomRequest{Name: "demo", Egress: egress("first")})
		if begun != 0 {
			t.Error("a room is recorded that was made without that")
		}
		if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "other", Egress: egress("bad")}); err == nil || tc.reg.lookup("other") != nil {
			t.Errorf("made, with %v", err)
		}
	})
}
