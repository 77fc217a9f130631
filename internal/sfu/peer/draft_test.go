package peer

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// made reports whether pion was asked for the connection.
func (c *subClient) made() (made bool) {
	c.t.Helper()
	donec := make(chan struct{})
	if err := c.sub.queue.post(func() { made = c.sub.pc != nil; close(donec) }); err != nil {
		c.t.Fatal(err)
	}
	<-donec
	return made
}

// withoutOwn takes from an offer what differs between connections, and the candidates.
func withoutOwn(sdp string) string {
	var lines []string
	for l := range strings.Lines(sdp) {
		switch {
		case strings.HasPrefix(l, "o=- "):
			lines = append(lines, "o=- ...\r\n")
		case strings.HasPrefix(l, "a=ice-ufrag:"), strings.HasPrefix(l, "a=ice-pwd:"):
			name, _, _ := strings.Cut(l, ":")
			lines = append(lines, name+":...\r\n")
		case strings.HasPrefix(l, "a=candidate:"), strings.HasPrefix(l, "a=end-of-candidates"):
		default:
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "")
}

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

func TestFirstOfferIsWhatPionWouldOffer(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"full": nil,
		"lite": func(o *Options) { o.ICELite = true },
		"tcp":  func(o *Options) { o.TCPPort = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFactory(t, change)
			c := newSubClient(t, f, clientOptions{})
			c.mute = true
			c.sub.Negotiate()
			eventually(t, "an offer", func() bool { return c.lastOffer().id == 1 })
			if c.made() {
				t.Fatal("pion was asked for it")
			}
			told := c.lastOffer().sdp

			drafts := f.drafts
			f.drafts = [2]*draft{}
			asked := newSubClient(t, f, clientOptions{})
			asked.sub.Negotiate()
			asked.connected()
			f.drafts = drafts
			if want := asked.lastOffer().sdp; withoutOwn(told) != withoutOwn(want) {
				t.Errorf("offered\n%s\npion would\n%s", told, want)
			}
			if n, want := len(attribute(told, "candidate")), asked.cands; n != want || n == 0 {
				t.Errorf("%d candidates in\n%s\nwant %d", n, told, want)
			}
			if len(attribute(told, "ice-ufrag")[0]) != len(attribute(asked.lastOffer().sdp, "ice-ufrag")[0]) ||
				len(attribute(told, "ice-pwd")[0]) != len(attribute(asked.lastOffer().sdp, "ice-pwd")[0]) {
				t.Errorf("credentials of another length in\n%s", told)
			}

			c.signalc <- func() { c.answer(told, 1) }
			c.connected()
			c.with(func() {
				if c.cands != 0 {
					t.Errorf("%d candidates sent again", c.cands)
				}
			})
		})
	}
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
	if !c.made() {
		t.Error("a track without a connection")
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

func TestFactoryWithPortsOfEachConnectionHasNoDraft(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.UDPPortRange = [2]uint16{41000, 41100} })
	c := newSubClient(t, f, clientOptions{})
	if _, _, ok := c.sub.Begin(); ok {
		t.Fatal("an offer whose candidates nobody knows")
	}
	c.sub.Negotiate()
	c.connected()
}

func TestDraftIsOfOneSection(t *testing.T) {
	const offer = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" +
		"a=ice-ufrag:frag\r\na=ice-pwd:word\r\n"
	if _, err := newDraft(offer, []string{`{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}`}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "v=0\r\n", strings.Replace(offer, "ice-pwd", "pwd", 1), offer + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"} {
		if d, err := newDraft(bad, nil); err == nil {
			t.Errorf("a draft of %q: %+v", bad, d)
		}
	}
}
