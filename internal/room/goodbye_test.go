package room

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// left is the event that the client has left, or nil.
func (c *client) left() *event.Event {
	c.tc.mu.Lock()
	defer c.tc.mu.Unlock()
	for i, e := range c.tc.events {
		if e.Name == event.ParticipantLeft && e.Participant.Identity == c.join.Identity {
			return &c.tc.events[i]
		}
	}
	return nil
}

// wantLeft compares by whom and why the client has left.
func (c *client) wantLeft(why string, by event.Actor, reason string) {
	c.tc.t.Helper()
	if e := c.left(); e == nil || e.Actor != by || e.Reason != reason {
		c.tc.t.Errorf("%s: %s has left with %+v, want %s and %s", why, c.join.Identity, e, by, reason)
	}
}

// refusesData has everything that is sent to the client fail, as if its connection
// were closed if that is why.
func (c *client) refusesData(err error) {
	f := c.sub()
	f.mu.Lock()
	f.closed, f.fails = errors.Is(err, peer.ErrClosed), err
	f.mu.Unlock()
}

// The end of a connection comes by UDP, the goodbye that explains it by TCP.
func TestWhoEndsItsConnectionWhileOthersTalkHasLeft(t *testing.T) {
	aborted := errors.New("association aborted by the other side")
	for name, ends := range map[string]func(ana *client, talk func()){
		"closed": func(ana *client, talk func()) {
			ana.refusesData(peer.ErrClosed)
			ana.transport(peer.Closed)
			talk()
		},
		"data first": func(ana *client, talk func()) {
			ana.refusesData(aborted)
			talk()
			ana.refusesData(peer.ErrClosed)
			sleep(900 * time.Millisecond)
			ana.transport(peer.Closed)
			talk()
		},
		"data alone": func(ana *client, talk func()) {
			ana.refusesData(aborted)
			talk()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
				ends(ana, func() { ben.sendPacket(peer.Reliable, userPacket("hi")) })
				sleep(500 * time.Millisecond)
				ana.leave()
				ana.wantLeft("with a goodbye", event.ActorClient, "client_initiated")
				ben.leave()
			})
		})
	}
}

func TestWhoDoesNotTakeReliableDataReconnects(t *testing.T) {
	for err, patience := range map[error]time.Duration{
		peer.ErrDataOverflow: 0,
		peer.ErrDataEnded:    goodbyeGrace,
	} {
		inBubble(t, Options{}, func(tc *test) {
			ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
			ana.heard()
			ana.refusesData(err)
			ben.sendPacket(peer.Reliable, userPacket("hi"))
			if patience > 0 {
				sleep(patience / 2)
				ben.sendPacket(peer.Reliable, userPacket("hi"))
				ana.transport(peer.Connected) // which changes nothing
				sleep(patience/2 - time.Millisecond)
				if ana.left() != nil {
					t.Errorf("%v: no moment for a goodbye", err)
				}
			}
			sleep(time.Millisecond)
			if got := ana.heard(); !slices.Contains(got, "leave STATE_MISMATCH RECONNECT") {
				t.Errorf("%v: told %q", err, got)
			}
			ana.wantLeft(err.Error(), event.ActorServer, "state_mismatch")
			ben.leave()
		})
	}
}

func TestWhoHasNoSectionForDataStays(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		encoder, ben := tc.enter("demo", "encoder"), tc.enter("demo", "ben")
		encoder.refusesData(peer.ErrNoData)
		for range 100 {
			ben.sendPacket(peer.Reliable, userPacket("hi"))
		}
		tc.undisturbed("data for an encoder", encoder)
		encoder.leave()
		ben.leave()
	})
}

// The log says who ended a session and why: a client does not choose that.
func TestGoodbyesAreOfClientsWhateverTheySay(t *testing.T) {
	anybodys := map[livekit.DisconnectReason]string{
		livekit.DisconnectReason_USER_UNAVAILABLE: "user_unavailable",
		livekit.DisconnectReason_USER_REJECTED:    "user_rejected",
		livekit.DisconnectReason_AGENT_ERROR:      "agent_error",
	}
	calls := map[livekit.DisconnectReason]string{
		livekit.DisconnectReason_SIP_TRUNK_FAILURE: "sip_trunk_failure",
		livekit.DisconnectReason_MEDIA_FAILURE:     "media_failure",
	}
	for _, kind := range []livekit.ParticipantInfo_Kind{livekit.ParticipantInfo_STANDARD, livekit.ParticipantInfo_SIP} {
		for reason := livekit.DisconnectReason(-1); reason <= 20; reason++ {
			want := anybodys[reason]
			if kind == livekit.ParticipantInfo_SIP {
				want += calls[reason]
			}
			if want == "" {
				want = "client_initiated"
			}
			inBubble(t, Options{}, func(tc *test) {
				j := joinOf("demo", "ana")
				j.Kind = kind
				ana := tc.accept(j)
				ana.transport(peer.Connected)
				ana.publishCamera()
				ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{Reason: reason}}})
				ana.wantLeft(kind.String()+" "+reason.String(), event.ActorClient, want)
				for _, e := range tc.events {
					if e.Name == event.TrackUnpublished && (e.Actor != event.ActorClient || e.Reason != want) {
						t.Errorf("%s: the track ends because of the %s, %s", reason, e.Actor, e.Reason)
					}
				}
			})
		}
	}
}
