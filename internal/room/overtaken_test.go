package room

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// A client may see itself connected before the server does.
func TestReliableDataOfWhoIsAboutToBeInIsForwardedThen(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob, alice := tc.enter("demo", "bob"), tc.accept(joinOf("demo", "alice"))
		alice.sendPacket(peer.Reliable, userPacket("first"))
		alice.sendPacket(peer.Lossy, userPacket("noise"))
		alice.sendPacket(peer.Reliable, userPacket("second"))
		if bob.got() != "" {
			t.Errorf("bob got %q of nobody", bob.got())
		}
		alice.transport(peer.Connected)
		alice.sendPacket(peer.Reliable, userPacket("third"))
		if bob.got() != "first second third" {
			t.Errorf("bob got %q", bob.got())
		}
	})
}

func TestWhoIsNotInYetMayOnlySendSoMuch(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob, alice := tc.enter("demo", "bob"), tc.accept(joinOf("demo", "alice"))
		const size = 60_000
		for range 2 * maxEarly / size {
			alice.sendPacket(peer.Reliable, userPacket(string(make([]byte, size))))
		}
		alice.transport(peer.Connected)
		if n := len(bob.got()); n < maxEarly/2 || n > maxEarly {
			t.Errorf("bob got %d bytes", n)
		}
	})
}

func TestWhoIsNotInYetSendsNoMoreAfterAGap(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob, alice := tc.enter("demo", "bob"), tc.accept(joinOf("demo", "alice"))
		const most = maxEarly / earlyCost
		for range 2 * most { // messages of nothing have to be kept, too
			alice.sendPacket(peer.Reliable, userPacket("x"))
		}
		alice.sendPacket(peer.Reliable, userPacket("after"))
		if n := len(alice.p().early); n == 0 || n > most {
			t.Errorf("%d messages are kept, want up to %d", n, most)
		}
		alice.transport(peer.Connected)
		if got := bob.got(); got == "" || strings.Contains(got, "after") {
			t.Errorf("bob got %q", got)
		}
	})
}

func TestWhoComesAgainRightAfterAGoodbyeHasLeftOfItself(t *testing.T) {
	for _, reject := range []bool{false, true} {
		inBubble(t, Options{Defaults: Defaults{RejectDuplicates: reject}}, func(tc *test) {
			alice := tc.enter("demo", "alice")
			alice.publisherOf().held = true
			alice.leave()
			n := len(tc.events)
			tc.accept(joinOf("demo", "alice"))
			tc.wantEventsSince(n, "gone", "participant_left alice 0/0")
			if r := tc.events[n].Participant.GetDisconnectReason(); r != livekit.DisconnectReason_CLIENT_INITIATED {
				t.Errorf("left by %v", r)
			}
		})
	}
}

// publisherOf is the connection on which c sends.
func (c *client) publisherOf() *fakePeer {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0", Id: 1}}})
	return c.p().publisher.(*fakePeer)
}

func TestGoodbyeDoesNotOvertakeData(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob, alice := tc.enter("demo", "bob"), tc.enter("demo", "alice")
		pub := alice.publisherOf()
		pub.held = true
		bob.heard()
		n := len(tc.events)
		alice.leave()
		alice.h.SignalLost(alice.sink)
		alice.conn().SubscriberState(peer.Disconnected)
		alice.sendPacket(peer.Reliable, userPacket("at last"))
		tc.wantEventsSince(n, "still there")
		pub.after()
		synctest.Wait()
		tc.wantEventsSince(n, "gone", "participant_left alice 1/0")
		if bob.got() != "at last" {
			t.Errorf("bob got %q", bob.got())
		}
	})
}

func TestGoodbyeWaitsForDataOnlySoLong(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		pub := alice.publisherOf()
		pub.held = true
		n := len(tc.events)
		alice.leave()
		sleep(leaveGrace - time.Millisecond)
		tc.wantEventsSince(n, "still there")
		sleep(time.Millisecond)
		tc.wantEventsSince(n, "gone", "participant_left alice 0/0")
		pub.after()
	})
}
