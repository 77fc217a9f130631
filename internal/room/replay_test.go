package room

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// resume comes back on a new signal connection; state may be nil.
func (c *client) resume(state *livekit.SyncState) *client {
	c.tc.t.Helper()
	c.h.SignalLost(c.sink)
	again := &client{tc: c.tc, join: c.join, sink: &recorder{}}
	h, err := c.tc.reg.Resume(context.Background(), c.join, c.h.SID(), again.sink)
	if err != nil {
		c.tc.t.Fatalf("resume %s: %v", c.join.Identity, err)
	}
	again.h = h
	if state != nil {
		again.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SyncState{SyncState: state}})
	}
	return again
}

func numbered(seq uint32, to ...string) *livekit.DataPacket {
	p := userPacket(fmt.Sprint(seq))
	p.Sequence, p.DestinationIdentities = seq, to
	return p
}

func TestResumedClientGetsTheReliableDataThatItMissed(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.sendPacket(peer.Reliable, numbered(1))
		sleep(time.Second)
		bob, carol := tc.enter("demo", "bob"), tc.enter("demo", "carol")
		for seq := uint32(2); seq <= 6; seq++ {
			alice.sendPacket(peer.Reliable, numbered(seq))
		}
		alice.sendPacket(peer.Reliable, numbered(7, "carol"))
		alice.sendPacket(peer.Lossy, numbered(8))
		carol.sendPacket(peer.Reliable, numbered(1))
		bob.sub().data = nil

		again := bob.resume(&livekit.SyncState{DatachannelReceiveStates: []*livekit.DataChannelReceiveState{
			{PublisherSid: alice.h.SID(), LastSeq: 4}, {PublisherSid: carol.h.SID(), LastSeq: 1},
		}})
		if got := again.got(); got != "5 6" {
			t.Errorf("bob got %q again, want what came after the fourth of alice and was for him", got)
		}
		bob.sub().data = nil
		again = again.resume(&livekit.SyncState{})
		if got := again.got(); got != "" {
			t.Errorf("bob got %q again without saying what he has", got)
		}
		again = again.resume(&livekit.SyncState{DatachannelReceiveStates: []*livekit.DataChannelReceiveState{{PublisherSid: alice.h.SID()}}})
		if got := again.got(); got != "2 3 4 5 6" {
			t.Errorf("bob got %q again, want nothing from before he came", got)
		}
		again.sub().data = nil
		sleep(recentKept)
		again = again.resume(&livekit.SyncState{DatachannelReceiveStates: []*livekit.DataChannelReceiveState{{PublisherSid: alice.h.SID()}}})
		if got := again.got(); got != "" {
			t.Errorf("bob got %q after it was forgotten", got)
		}
		for _, c := range []*client{alice, again, carol} {
			c.leave()
		}
	})
}

func TestRecentDataIsBounded(t *testing.T) {
	var r recentData
	now := time.Now()
	for i := range 3 * maxRecent {
		r.add(sentData{at: now, payload: []byte{byte(i)}})
	}
	if len(r.sent) != maxRecent || r.bytes != maxRecent {
		t.Errorf("%d messages of %d bytes", len(r.sent), r.bytes)
	}
	for range 100 {
		r.add(sentData{at: now, payload: make([]byte, maxData)})
	}
	if r.bytes > maxRecentSz {
		t.Errorf("%d bytes", r.bytes)
	}
	if next := r.trim(now.Add(recentKept)); !next.IsZero() || r.bytes != 0 || r.sent != nil {
		t.Errorf("%d messages of %d bytes after their time", len(r.sent), r.bytes)
	}
}

func TestResumedClientIsToldWhichOfItsDataArrived(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		for seq := uint32(1); seq <= 3; seq++ {
			alice.sendPacket(peer.Reliable, numbered(seq))
		}
		again := alice.resume(nil)
		again.sink.mu.Lock()
		last := again.sink.messages[0].GetReconnect().GetLastMessageSeq()
		again.sink.mu.Unlock()
		if last != 3 {
			t.Errorf("told %d", last)
		}
		// What was on its way arrives as well as its repetition.
		for _, seq := range []uint32{4, 3, 4, 5} {
			again.sendPacket(peer.Reliable, numbered(seq))
		}
		if got := bob.got(); got != "1 2 3 4 5" {
			t.Errorf("bob got %q", got)
		}
		again.leave()
		bob.leave()
	})
}

func TestClientThatLosesItsSignalConnectionOnTheWayInMayResume(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.accept(joinOf("demo", "alice"))
		alice.transport(peer.Connecting)
		again := alice.resume(nil)
		again.transport(peer.Connected)
		tc.wantEvents("the same session comes in", "room_started 0/0", "participant_joined alice 1/0")
		sleep(2 * leaveGrace)
		tc.wantEvents("and stays", "room_started 0/0", "participant_joined alice 1/0")
		again.leave()
	})
}

func TestOldClientIsNotToldToResume(t *testing.T) {
	for protocol, want := range map[int32]bool{12: false, 13: true} {
		inBubble(t, Options{}, func(tc *test) {
			j := joinOf("demo", "alice")
			j.Client.Protocol = protocol
			alice := tc.accept(j)
			alice.transport(peer.Connected)
			alice.heard()
			alice.transport(peer.Failed)
			told := strings.Contains(strings.Join(alice.heard(), " "), "leave")
			if told != want {
				t.Errorf("protocol %d: told %v", protocol, told)
			}
			if !alice.sink.closed {
				t.Errorf("protocol %d: the connection is open", protocol)
			}
		})
	}
}
