package peer

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// origin returns the id and the version of a session.
func origin(t *testing.T, sdp string) (id string, version uint64) {
	t.Helper()
	for l := range strings.Lines(sdp) {
		if f := strings.Fields(l); len(f) == 6 && f[0] == "o=-" {
			n, err := strconv.ParseUint(f[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return f[1], n
		}
	}
	t.Fatalf("no origin in %q", sdp)
	return "", 0
}

func TestOffersBelongToOneSession(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	sdp, id, ok := c.sub.Begin()
	if !ok || id != 1 {
		t.Fatal("no first offer")
	}
	if _, _, again := c.sub.Begin(); again {
		t.Error("begun twice")
	}
	c.signalc <- func() { c.answer(sdp, id) }
	c.connected()
	c.settled()
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })
	second := c.lastOffer().sdp
	c.sub.RestartICE()
	c.settled()
	third := c.lastOffer().sdp
	n := c.packets("TR_mic")
	sendOpus(t, mic, "audio after the restart", func() bool { return c.packets("TR_mic") > n+20 })

	session, version := origin(t, sdp)
	for _, offer := range []string{second, third} {
		s, v := origin(t, offer)
		if s != session || v <= version {
			t.Errorf("session %s, version %d after %s, %d", s, v, session, version)
		}
		version = v
	}
	if a, b := attribute(sdp, "ice-ufrag"), attribute(second, "ice-ufrag"); !slices.Equal(a, b) {
		t.Errorf("credentials changed without a restart: %v, then %v", a, b)
	}
	for _, name := range []string{"ice-ufrag", "ice-pwd"} {
		if a, b := attribute(second, name), attribute(third, name); slices.Equal(a, b) {
			t.Errorf("a restart with the same %s", name)
		}
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestTrackAddedBeforeTheFirstAnswerIsOfferedAfterIt(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	sdp, id, ok := c.sub.Begin()
	if !ok {
		t.Fatal("no first offer")
	}
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	c.signalc <- func() { c.answer(sdp, id) }
	c.connected()
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestTracksAddedBeforeAreInTheFirstOffer(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := c.sub.Begin(); ok {
		t.Fatal("begun without the track")
	}
	c.sub.Negotiate()
	c.connected()
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })
	if o := c.lastOffer(); o.id != 1 || len(o.mids) != 1 {
		t.Errorf("offer %d with %v", o.id, o.mids)
	}
}
