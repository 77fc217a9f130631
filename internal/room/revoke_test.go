package room

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
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

// Those of LiveKit's SDK for Node do not.
func TestTokensThatDoNotSayWhenTheyWereMadeAreJudgedByTheirEnd(t *testing.T) {
	const life = 6 * time.Hour
	ctx := context.Background()
	undated := func() *Join {
		j := joinOf("demo", "alice")
		j.TokenFrom, j.TokenUntil = time.Time{}, time.Now().Add(life).Truncate(time.Second)
		return j
	}
	for _, restart := range []bool{false, true} {
		inBubble(t, Options{}, func(tc *test) {
			first := undated()
			sleep(10 * time.Second) // on its way to the client
			alice := tc.accept(first)
			alice.transport(peer.Connected)
			sleep(time.Hour)
			second := undated()
			sleep(time.Minute)
			if err := tc.reg.RemoveParticipant(ctx, "demo", "alice", time.Time{}); err != nil {
				t.Fatal(err)
			}
			reg := tc.reg
			if restart {
				reg = NewRegistry(tc.options)
				reg.RestoreRevocations(tc.kept)
			}
			for name, j := range map[string]*Join{"its own": first, "a later one": second} {
				if err := reg.CanJoin(ctx, j); !errors.Is(err, ErrTokenRevoked) {
					t.Errorf("%s: %v", name, err)
				}
			}
			sleep(revokeLeeway)
			for name, j := range map[string]*Join{"its own": first, "a later one": second} {
				if err := reg.CanJoin(ctx, j); !errors.Is(err, ErrTokenRevoked) {
					t.Errorf("%s, after a minute: %v", name, err)
				}
			}
			if err := reg.CanJoin(ctx, undated()); err != nil {
				t.Errorf("one that was made after that: %v", err)
			}
		})
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	g := NewRegistry(Options{})
	for i := range maxRevocations + 10 {
		g.revoke(seatOf("demo", fmt.Sprint(i)), time.Time{}, 0)
	}
	if len(g.revoked) > maxRevocations || len(g.revocations) > maxRevocations {
		t.Errorf("%d revocations, %d in order", len(g.revoked), len(g.revocations))
	}
	if err := g.admits(&Join{Room: "demo", Identity: fmt.Sprint(maxRevocations)}); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("a late one: %v", err)
	}
}

func TestRevocationsSurviveARestart(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		if err := tc.reg.RemoveParticipant(context.Background(), "demo", "alice", time.Time{}); err != nil {
			t.Fatal(err)
		}
		for key := range tc.kept {
			if strings.Contains(key, "alice") || strings.Contains(string(tc.kept[key]), "alice") {
				t.Errorf("who it was is kept: %s", key)
			}
		}
		next := NewRegistry(tc.options)
		next.RestoreRevocations(tc.kept)
		if err := next.CanJoin(context.Background(), alice.join); !errors.Is(err, ErrTokenRevoked) {
			t.Errorf("after the restart: %v", err)
		}
		if err := next.CanJoin(context.Background(), joinOf("other", "alice")); err != nil {
			t.Errorf("another room: %v", err)
		}

		// In time they are forgotten, by whichever run.
		sleep(revocationKept + time.Minute)
		late := NewRegistry(tc.options)
		tc.kept[RevocationPrefix+"damaged"] = []byte("{")
		late.RestoreRevocations(maps.Clone(tc.kept))
		if err := late.CanJoin(context.Background(), alice.join); err != nil {
			t.Errorf("a day later: %v", err)
		}
		if len(tc.kept) != 1 {
			t.Errorf("still kept: %v", tc.kept)
		}
	})
}

func TestRemovingTwiceKeepsTheLaterRevocation(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		for range 2 {
			tc.enter("demo", "alice")
			if err := tc.reg.RemoveParticipant(context.Background(), "demo", "alice", time.Time{}); err != nil {
				t.Fatal(err)
			}
			sleep(revocationKept - time.Hour)
		}
		tc.enter("demo", "bob")
		if err := tc.reg.RemoveParticipant(context.Background(), "demo", "bob", time.Time{}); err != nil {
			t.Fatal(err) // it has the first forgotten
		}
		if n := len(tc.kept); n != 2 {
			t.Errorf("%d are kept", n)
		}
	})
}

// SaveCursors implements Kept.
func (tc *test) SaveCursors(puts map[string][]byte, deletes []string) {
	tc.mu.Lock()
	defer tc.mu.Unlock()
	if tc.kept == nil {
		tc.kept = make(map[string][]byte)
	}
	maps.Copy(tc.kept, puts)
	for _, key := range deletes {
		delete(tc.kept, key)
	}
}

// A join or a resume that is let in waits for its turn, and a removal may be before it.
func TestRemovalIsOfWhoIsOnTheWayInToo(t *testing.T) {
	ctx := context.Background()
	for name, comes := range map[string]func(*test, *client) error{
		"join": func(tc *test, alice *client) error {
			_, err := tc.reg.Join(ctx, alice.join, &recorder{})
			return err
		},
		"resume": func(tc *test, alice *client) error {
			_, err := tc.reg.Resume(ctx, alice.join, alice.h.SID(), &recorder{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
				gate := make(chan struct{})
				alice.room().post(func(*state) { <-gate })
				removed, came := make(chan error, 1), make(chan error, 1)
				go func() { removed <- tc.reg.RemoveParticipant(ctx, "demo", "alice", time.Time{}) }()
				synctest.Wait()
				go func() { came <- comes(tc, alice) }()
				synctest.Wait()
				close(gate)
				if err := <-removed; err != nil {
					t.Error(err)
				}
				var gone *Gone
				if err := <-came; !errors.Is(err, ErrTokenRevoked) && !(errors.As(err, &gone) && gone.Final()) {
					t.Errorf("who was removed comes in: %v", err)
				}
				if there, err := tc.reg.ListParticipants(ctx, "demo"); err != nil || len(there) != 1 {
					t.Errorf("in the room: %v, %v", there, err)
				}
				bob.leave()
			})
		})
	}
}
