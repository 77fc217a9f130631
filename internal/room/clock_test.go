package room

import (
	"context"
	"testing"
	"time"
)

func TestWhoIsThereOrWasJustNowHasAClock(t *testing.T) {
	ctx := context.Background()
	inBubble(t, Options{}, func(tc *test) {
		knows := func(when, room, identity string, want bool) {
			t.Helper()
			at := tc.reg.ClockOf(ctx, room, identity)
			if !at.IsZero() != want || want && !at.Equal(time.Now()) {
				t.Errorf("%s: the clock of %s in %s says %v", when, identity, room, at)
			}
		}
		knows("before", "demo", "alice", false)
		alice := tc.enter("demo", "alice")
		tc.enter("demo", "stays")
		sleep(time.Hour)
		knows("in the room", "demo", "alice", true)
		knows("in another", "other", "alice", false)
		knows("nobody", "demo", "bob", false)
		alice.h.SignalLost(alice.sink)
		knows("without a connection", "demo", "alice", true)
		alice.leave()
		knows("gone", "demo", "alice", true)
		sleep(comeBack)
		knows("gone for a while", "demo", "alice", true)
		sleep(time.Second)
		knows("gone for longer", "demo", "alice", false)

		// The room, too, may have ended meanwhile.
		tc.enter("brief", "alone").leave()
		sleep(30 * time.Second)
		if tc.reg.lookup("brief") != nil {
			t.Error("the room goes on")
		}
		knows("the room has ended", "brief", "alone", true)

		tc.enter("demo", "removed")
		if err := tc.reg.RemoveParticipant(ctx, "demo", "removed", time.Time{}); err != nil {
			t.Fatal(err)
		}
		knows("removed", "demo", "removed", false)

		tc.enter("deleted", "guest")
		if err := tc.reg.Delete(ctx, "deleted"); err != nil {
			t.Fatal(err)
		}
		knows("the room was deleted", "deleted", "guest", false)

		// What is remembered is forgotten, and not what came later.
		tc.enter("demo", "often").leave()
		sleep(farewellKept - time.Second)
		tc.enter("demo", "often").leave()
		sleep(2 * time.Second)
		tc.enter("demo", "another").leave()
		knows("the second time", "demo", "often", true)
		if n := len(tc.reg.lately); n != 2 {
			t.Errorf("%d places are remembered: %v", n, tc.reg.lately)
		}
	})
}
