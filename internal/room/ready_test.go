package room

import (
	"context"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func TestWhoPublishesFast(t *testing.T) {
	for name, tt := range map[string]struct {
		sdk    livekit.ClientInfo_SDK
		single bool
		mute   bool // may not publish
		want   bool
	}{
		"two connections":                  {sdk: livekit.ClientInfo_JS},
		"two connections of the Rust core": {sdk: livekit.ClientInfo_NODE, want: true},
		"two of the Rust core, to listen":  {sdk: livekit.ClientInfo_PYTHON, mute: true},
		"one connection of the Rust core":  {sdk: livekit.ClientInfo_NODE, single: true},
		"one connection":                   {sdk: livekit.ClientInfo_JS, single: true},
		"who says nothing":                 {},
	} {
		j := &Join{SinglePC: tt.single, Client: &livekit.ClientInfo{Sdk: tt.sdk}, Permission: &livekit.ParticipantPermission{CanPublish: !tt.mute}}
		if got := j.fastPublish(); got != tt.want {
			t.Errorf("%s: fast publish %v, want %v", name, got, tt.want)
		}
	}
}

func TestJoinSaysWhetherToPublishFast(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		for _, sdk := range []livekit.ClientInfo_SDK{livekit.ClientInfo_JS, livekit.ClientInfo_RUST} {
			j := joinOf("demo", sdk.String())
			j.Client.Sdk = sdk
			c := tc.accept(j)
			c.transport(peer.Connected)
			if got, want := c.sink.messages[0].GetJoin().GetFastPublish(), sdk == livekit.ClientInfo_RUST; got != want {
				t.Errorf("%s is told %v, want %v", sdk, got, want)
			}
			c.leave()
		}
	})
}

// unset joins as Go's SDK does, with an offer that it sets in a moment.
func (tc *test) unset(identity string) *client {
	tc.t.Helper()
	j := joinOf("demo", identity)
	j.SinglePC, j.Client.Sdk = true, livekit.ClientInfo_GO
	j.Offer = &livekit.SessionDescription{Type: "offer", Sdp: "v=0"}
	c := tc.accept(j)
	c.wantHeard("the join", "join others=0")
	return c
}

func (c *client) candidate() {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{CandidateInit: "{}"}}})
}

func TestAnswerWaitsUntilTheOfferIsSet(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.unset("alice")
		alice.conn().PublisherAnswer("v=0", 0, nil)
		alice.conn().SectionsRequired(0, 1)
		alice.wantHeard("nothing that it cannot take")
		alice.candidate()
		alice.wantHeard("what waited, in order", "answer", "mediasectionsrequirement")
		alice.conn().PublisherAnswer("v=0", 0, nil)
		alice.wantHeard("all else at once", "answer")
		alice.leave()
	})
}

func TestOfferThatIsSetIsAnsweredAtOnce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.unset("alice")
		alice.candidate()
		alice.conn().PublisherAnswer("v=0", 0, nil)
		alice.wantHeard("the answer that was slower", "answer")
		for name, change := range map[string]func(*Join){
			"another SDK":         func(j *Join) { j.Client.Sdk = livekit.ClientInfo_JS },
			"without an offer":    func(j *Join) { j.Offer = nil },
			"with its candidates": func(j *Join) { j.Offer.Sdp += "\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" },
		} {
			j := joinOf("other", "bob")
			j.SinglePC, j.Client.Sdk = true, livekit.ClientInfo_GO
			j.Offer = &livekit.SessionDescription{Type: "offer", Sdp: "v=0"}
			change(j)
			bob := tc.accept(j)
			bob.heard()
			bob.conn().PublisherAnswer("v=0", 0, nil)
			bob.wantHeard(name, "answer")
			bob.leave()
		}
		alice.leave()
	})
}

func TestOfferOfWhoSendsNoCandidateIsAnsweredAfterAWhile(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.unset("alice")
		time.Sleep(3 * unsetPatience) // the patience is with the answer
		alice.conn().PublisherAnswer("v=0", 0, nil)
		time.Sleep(unsetPatience / 2)
		alice.wantHeard("nothing yet")
		time.Sleep(unsetPatience)
		alice.wantHeard("the answer", "answer")
		alice.leave()
	})
}

func TestWhatIsHeldIsNotForALaterOffer(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.unset("alice")
		alice.conn().PublisherAnswer("v=0", 0, nil)
		alice.duplexState(peer.Connected)
		join := *alice.join
		join.Offer = nil
		again := &client{tc: tc, join: &join, sink: &recorder{}}
		h, err := tc.reg.Resume(context.Background(), again.join, alice.h.SID(), again.sink)
		if err != nil {
			t.Fatal(err)
		}
		again.h = h
		again.heard()
		again.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0", Id: 2}}})
		again.conn().PublisherAnswer("v=1", 2, nil)
		again.wantHeard("the answer to its new offer alone", "answer")
		again.leave()
	})
}
