package room

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

var refreshKeys = token.Keys{"key": "a-secret-of-at-least-32-characters"}

// refreshed joins with a token that is valid for a moment more, and gets others as
// clients do.
func (tc *test) refreshed(identity string) *client {
	claims := &token.Claims{APIKey: "key", Identity: identity, Name: "at first", ExpiresAt: time.Now().Add(time.Minute),
		Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}
	join := joinOf("demo", identity)
	join.RefreshToken = func(at time.Time, _ string, info *livekit.ParticipantInfo) (string, error) {
		now := claims.Clone()
		now.Name = info.Name
		return token.Refresh(now, refreshKeys, at)
	}
	c := tc.accept(join)
	c.transport(peer.Connected)
	return c
}

// holds is what the newest token says that c was sent; nil if it is none, or not valid.
func (c *client) holds() *token.Claims {
	synctest.Wait()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	for i := len(c.sink.messages) - 1; i >= 0; i-- {
		if raw := c.sink.messages[i].GetRefreshToken(); raw != "" {
			claims, err := token.Verify(raw, refreshKeys, time.Now())
			if err != nil {
				return nil
			}
			c.sink.messages = c.sink.messages[i:]
			return claims
		}
	}
	return nil
}

func TestTokenThatLastsIsRefreshedLater(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		for name, c := range map[string]struct {
			lasts  time.Duration
			beyond bool
			wanted bool
		}{
			"hours":                        {6 * time.Hour, false, false},
			"until the third time":         {15 * time.Minute, false, false},
			"not so long":                  {15*time.Minute - time.Second, false, true},
			"over, as far as clocks agree": {-time.Second, false, true},
			"hours, and says less":         {6 * time.Hour, true, true},
		} {
			join := joinOf("demo", "alice")
			join.TokenUntil, join.BeyondToken = time.Now().Add(c.lasts), c.beyond
			join.RefreshToken = func(time.Time, string, *livekit.ParticipantInfo) (string, error) {
				return token.Mint("key", refreshKeys["key"], &token.Claims{}, time.Now(), time.Hour)
			}
			alice := tc.accept(join)
			alice.transport(peer.Connected)
			if got := alice.holds() != nil; got != c.wanted {
				t.Errorf("%s: refreshed at once: %t", name, got)
			}
			sleep(5 * time.Minute)
			if alice.holds() == nil {
				t.Errorf("%s: not refreshed after five minutes", name)
			}
			alice.leave()
		}
	})
}

func TestWhoStaysForADayCanComeBackAtAnyMoment(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.refreshed("alice")
		for at := time.Duration(0); at < 24*time.Hour; at += time.Minute {
			if claims := alice.holds(); claims == nil || claims.ExpiresAt.Sub(time.Now()) < token.MinRefresh/2 {
				t.Fatalf("after %s: the newest token is %+v", at, claims)
			}
			sleep(time.Minute)
		}
		if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{Room: "demo", Identity: "alice", Name: "later"}); err != nil {
			t.Fatal(err)
		}
		if claims := alice.holds(); claims == nil || claims.Name != "later" {
			t.Errorf("after a change: %+v, want one that holds it", claims)
		}
		// What was due while nobody could be told comes with the resume.
		alice.h.SignalLost(alice.sink)
		sleep(time.Hour)
		back := alice.resume(nil)
		if claims := back.holds(); claims == nil || claims.Name != "later" {
			t.Errorf("after a resume: %+v", claims)
		}
		back.leave()
	})
}
