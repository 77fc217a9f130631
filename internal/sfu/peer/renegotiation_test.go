package peer

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

func TestPublisherFollowsUnpublishAndRepublish(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	c.negotiate(nil)
	c.connected()
	eventually(t, "mic announced", func() bool { return c.track("mic") != nil })
	for i := range 6 {
		id := trackName(i)
		track, sender := c.publish(webrtc.MimeTypeVP8, "stream", id)
		answer := c.negotiate(nil)
		eventually(t, "track announced", func() bool { return c.track(id) != nil })
		r := c.track(id)
		sendVP8(t, track, "packets of "+id, func() bool { return upPackets(r) > 5 })
		if n := strings.Count(answer, "m=video"); n > 2 {
			t.Fatalf("%d video sections after %d tracks", n, i+1)
		}
		if err := c.pc.RemoveTrack(sender); err != nil {
			t.Fatal(err)
		}
		c.negotiate(nil)
		eventually(t, "track ended", func() bool { return c.track(id) == nil })
	}
	if c.track("mic") == nil {
		t.Error("the other track ended too")
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestSubscriberReusesSectionsAndKeepsMids(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	keep, err := c.sub.AddTrack("PA_x|TR_keep", "TR_keep", p.track("mic").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.settled()
	var keepMid string
	for mid := range c.lastOffer().mids {
		keepMid = mid
	}
	for i := range 12 {
		id := trackName(i)
		s, err := c.sub.AddTrack("PA_x|"+id, id, p.track("mic").UpTrack())
		if err != nil {
			t.Fatal(err)
		}
		c.settled()
		o := c.lastOffer()
		if o.mids[keepMid] != "TR_keep" || len(o.mids) != 2 {
			t.Fatalf("round %d: %v", i, o.mids)
		}
		if n := strings.Count(o.sdp, "m=audio"); n != 2 {
			t.Fatalf("round %d: %d audio sections", i, n)
		}
		if i%4 == 0 {
			sendOpus(t, mic, "audio of "+id, func() bool { return c.packets(id) > 5 })
		}
		c.sub.RemoveTrack(s)
		c.settled()
		if o := c.lastOffer(); len(o.mids) != 1 || !strings.Contains(o.sdp, "a=inactive") {
			t.Fatalf("round %d: %v still offered", i, o.mids)
		}
	}
	sendOpus(t, mic, "audio of the kept track", func() bool { return c.packets("TR_keep") > 5 })
	c.sub.RemoveTrack(keep)
	c.sub.RemoveTrack(keep)
	c.settled()
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestTracksOfOneMomentShareAnOffer(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	before := len(c.offers)
	for i := range 8 {
		if _, err := c.sub.AddTrack("PA_x|"+trackName(i), trackName(i), p.track("camera").UpTrack()); err != nil {
			t.Fatal(err)
		}
	}
	c.settled()
	eventually(t, "all offered", func() bool { return len(c.lastOffer().mids) == 8 })
	c.with(func() {
		// Tasks are quicker than the time they are gathered for, but a busy
		// machine may split them.
		if n := len(c.offers) - before; n > 2 {
			t.Errorf("%d offers for one moment", n)
		}
	})
}

func TestChangesDuringAnOfferWaitForTheAnswer(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.mute = true
	c.sub.Negotiate()
	eventually(t, "first offer", func() bool { return c.lastOffer().id == 1 })
	for i := range 3 {
		if _, err := c.sub.AddTrack("PA_x|"+trackName(i), trackName(i), p.track("camera").UpTrack()); err != nil {
			t.Fatal(err)
		}
		c.sub.Negotiate()
	}
	first := c.lastOffer()
	if first.id != 1 {
		t.Fatalf("offer %d before the answer", first.id)
	}
	c.with(func() { c.mute = false })
	// A stale id is ignored, 0 stands for the outstanding offer.
	c.sub.Answer("v=0 garbage that is not even read", 77)
	c.answerID = func(uint32) uint32 { return 0 }
	c.signalc <- func() { c.answer(first.sdp, first.id) }
	eventually(t, "all offered", func() bool { return len(c.lastOffer().mids) == 3 })
	c.settled()
	c.connected()
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

// That there is a path may be noticed while an offer is made or an answer is taken.
func TestWhatWaitsForAPathIsOfferedInItsOwnTurn(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	before, during := c.lastOffer().id, make(chan uint32, 1)
	err := c.sub.queue.post(func() {
		c.sub.unbegun = time.AfterFunc(time.Hour, func() {}) // as after a first answer
		c.sub.wanted = true
		c.sub.updateState()
		during <- c.sub.lastID
	})
	if err != nil {
		t.Fatal(err)
	}
	if id := <-during; id != before {
		t.Errorf("offer %d in the middle of something else", id)
	}
	eventually(t, "it is offered", func() bool { return c.lastOffer().id > before })
	c.settled()
}

// What is added and removed in one moment is in no offer, not even as a section.
func TestATrackThatCameAndWentLeavesNoSectionBehind(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	up := p.track("mic").UpTrack()
	for i := range 3 {
		before := c.lastOffer().id
		s, err := c.sub.AddTrack("PA_x|TR_gone", "TR_gone", up)
		if err != nil {
			t.Fatal(err)
		}
		c.sub.RemoveTrack(s)
		eventually(t, "an offer", func() bool { return c.lastOffer().id > before })
		c.settled()
		c.sub.Negotiate()
		eventually(t, "another offer", func() bool { return c.lastOffer().id > before+1 })
		c.settled()
		id := trackName(i)
		if _, err := c.sub.AddTrack("PA_x|"+id, id, up); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is offered", func() bool { return len(c.lastOffer().mids) == i+1 })
		c.settled()
		sendOpus(t, mic, "audio of "+id, func() bool { return c.packets(id) > 5 })
	}
	if n := strings.Count(c.lastOffer().sdp, "m=audio"); n != 3 {
		t.Errorf("%d sections", n)
	}
}

// A client of pion's receives nothing more in a section that two offers have had without a
// track.
func TestASectionThatWasEmptyForLongIsLeftAlone(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	add := func(id string) *Sender {
		s, err := c.sub.AddTrack("PA_x|"+id, id, p.track("mic").UpTrack())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is offered", func() bool { return len(c.lastOffer().mids) == 1 })
		c.settled()
		sendOpus(t, mic, "audio of "+id, func() bool { return c.packets(id) > 5 })
		return s
	}
	first := add("TR_first")
	for range 2 {
		before := c.lastOffer().id
		c.sub.RemoveTrack(first)
		c.sub.Negotiate()
		eventually(t, "an offer", func() bool { return c.lastOffer().id > before })
		c.settled()
	}
	add("TR_second")
	if n := strings.Count(c.lastOffer().sdp, "m=audio"); n != 2 {
		t.Errorf("%d sections", n)
	}
}
