package room

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

func TestRemovedParticipantsTokenDoesNotLetItInAgain(t *testing.T) {
	ctx := context.Background()
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		alice := tc.enter("demo", "alice")
		sid := alice.h.SID()
		if err := tc.reg.RemoveParticipant(ctx, "demo", "alice", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.CanJoin(ctx, alice.join); !errors.Is(err, ErrTokenRevoked) {
			t.Errorf("join with the old token: %v", err)
		}
		if _, err := tc.reg.Join(ctx, alice.join, &recorder{}); !errors.Is(err, ErrTokenRevoked) {
			t.Errorf("join with the old token: %v", err)
		}
		for _, resume := range []func() error{
			func() error { return tc.reg.CanResume(ctx, alice.join, sid) },
			func() error { _, err := tc.reg.Resume(ctx, alice.join, sid, &recorder{}); return err },
		} {
			var gone *Gone
			if err := resume(); !errors.As(err, &gone) || !gone.Final() || gone.Reason != livekit.DisconnectReason_PARTICIPANT_REMOVED {
				t.Errorf("resume: %v", err)
			}
		}
		// Another person, another room, and a token from later are as good as ever.
		if err := tc.reg.CanJoin(ctx, joinOf("demo", "carol")); err != nil {
			t.Error(err)
		}
		if err := tc.reg.CanJoin(ctx, joinOf("other", "alice")); err != nil {
			t.Error(err)
		}
		sleep(revokeLeeway)
		again := tc.enter("demo", "alice")
		again.leave()
		bob.leave()
	})
}

func TestCallerMayChooseWhichTokensAreRevoked(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		if err := tc.reg.RemoveParticipant(context.Background(), "demo", "alice", time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.CanJoin(context.Background(), alice.join); err != nil {
			t.Errorf("join with a token from after the time: %v", err)
		}
	})
}

func TestRevocationsAreBounded(t *testing.T) {
	g := NewRegistry(Options{})
	for i := range maxRevocations + 10 {
		g.revoke(seat{"demo", fmt.Sprint(i)}, time.Time{})
	}
	if len(g.revoked) > maxRevocations || len(g.revocations) > maxRevocations {
		t.Errorf("%d revocations, %d in order", len(g.revoked), len(g.revocations))
	}
	if err := g.admits(&Join{Room: "demo", Identity: fmt.Sprint(maxRevocations)}); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("a late one: %v", err)
	}
}
