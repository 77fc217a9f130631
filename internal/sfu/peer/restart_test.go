package peer

import (
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// attribute returns the values of an attribute in a description, in order,
// without repeats.
func attribute(sdp, name string) (values []string) {
	for l := range strings.Lines(sdp) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "a="+name+":"); ok && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

func TestPublisherKeepsItsIdentityOverICERestart(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	track, _ := c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	before := c.negotiate(nil)
	c.connected()
	eventually(t, "mic announced", func() bool { return c.track("mic") != nil })
	r := c.track("mic")
	sendOpus(t, track, "packets", func() bool { return upPackets(r) > 5 })

	after := c.negotiate(&webrtc.OfferOptions{ICERestart: true})
	if a, b := attribute(before, "ice-ufrag"), attribute(after, "ice-ufrag"); slices.Equal(a, b) {
		t.Errorf("ICE credentials kept: %v", a)
	}
	if a, b := attribute(before, "fingerprint"), attribute(after, "fingerprint"); len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("fingerprints %v, then %v", a, b)
	}
	n := upPackets(r)
	sendOpus(t, track, "packets after the restart", func() bool {
		return upPackets(r) > n+20 && c.state() == Connected
	})
	if c.track("mic") != r || len(c.ended) > 0 {
		t.Error("the restart touched the track")
	}
}

func TestSubscriberRestartsICE(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	c.settled()
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })
	before := c.lastOffer()
	c.sub.RestartICE()
	c.settled()
	after := c.lastOffer()
	if after.id <= before.id || slices.Equal(attribute(before.sdp, "ice-ufrag"), attribute(after.sdp, "ice-ufrag")) {
		t.Error("no restart offered")
	}
	if !slices.Equal(attribute(before.sdp, "fingerprint"), attribute(after.sdp, "fingerprint")) {
		t.Error("another identity")
	}
	n := c.packets("TR_mic")
	sendOpus(t, mic, "audio after the restart", func() bool { return c.packets("TR_mic") > n+20 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestRestartReplacesAnOfferThatWasLost(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.mute = true
	c.sub.Negotiate()
	eventually(t, "first offer", func() bool { return c.lastOffer().id == 1 })
	// Lost before anything was connected: the same again.
	c.sub.RestartICE()
	eventually(t, "second offer", func() bool { return c.lastOffer().id == 2 })
	c.with(func() {
		if c.offers[0].sdp != c.offers[1].sdp {
			t.Error("another first offer")
		}
		c.mute = false
	})
	again := c.lastOffer()
	c.signalc <- func() { c.answer(again.sdp, again.id) }
	c.connected()
	c.settled()

	// Lost with a new track in it.
	c.with(func() { c.mute = true })
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "offer with a track", func() bool { return len(c.lastOffer().mids) == 1 })
	lost := c.lastOffer()
	c.with(func() { c.mute = false })
	c.sub.RestartICE()
	eventually(t, "offer after it", func() bool { return c.lastOffer().id > lost.id })
	c.settled()
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 20 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}
