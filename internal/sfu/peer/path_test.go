package peer

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// Some clients leave in a section that is rejected what they have said there before: only
// the session that goes on counts.
func TestCredentialsOfRejectedSectionsAreNoSession(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	stale := "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:old\r\na=ice-ufrag:stale\r\na=ice-pwd:" + strings.Repeat("x", 24) + "\r\na=inactive\r\na=rtpmap:96 VP8/90000\r\n"
	before := func(sdp string) string { return strings.Replace(sdp, "m=application", stale+"m=application", 1) }
	without := func(sdp string) string {
		return regexp.MustCompile(`m=video 0(?s:.)*m=application`).ReplaceAllString(sdp, "m=application")
	}
	c.negotiateAs(before, without)
	c.connected()
	if c.pub.vigil.keeper.Load() == nil {
		t.Error("nobody keeps the path")
	}
	ufrag := c.pub.finder.agent.Remote().Ufrag
	if v := &c.pub.vigil; v.sought != ufrag {
		t.Errorf("%q is sought, and the client is %q", v.sought, ufrag)
	}
}

// ports returns a range of ports with nobody else's in it.
func ports(t *testing.T, n int) [2]uint16 {
	t.Helper()
	for first := 43000; first < 60000; first += n {
		mux, err := listenUDP([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, first)
		if err == nil {
			_ = mux.Close()
			return [2]uint16{uint16(first), uint16(first + n - 1)}
		}
	}
	t.Fatal("no port is free")
	return [2]uint16{}
}

func TestPortsOfAConnectionAreFreeAfterIt(t *testing.T) {
	of := ports(t, 1)
	f := newTestFactory(t, func(o *Options) { o.UDPPortRange = of })
	for range 3 {
		c := newSubClient(t, f, clientOptions{})
		c.sub.Negotiate()
		c.connected()
		if port := remotePort(c.pc); port != int(of[0]) {
			t.Errorf("port %d", port)
		}
		c.sub.Close()
	}
}

func TestRangeWithoutAFreePortIsNamed(t *testing.T) {
	of := ports(t, 1)
	f := newTestFactory(t, func(o *Options) { o.UDPPortRange = of })
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	late := newSubClient(t, f, clientOptions{})
	late.sub.Negotiate()
	eventually(t, "failure", func() bool { return late.failure() != nil })
	if err := late.failure(); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("no port of %d to %[1]d is free", of[0])) {
		t.Errorf("failed: %v", err)
	}
	offerer := newPubClient(t, f, clientOptions{})
	offerer.pub.Offer(offerSDP(t), 1)
	eventually(t, "failure", func() bool { return offerer.failure() != nil })
	if late.sub.conn.begun() || offerer.pub.begun() {
		t.Error("begun without a port")
	}
}

// Where all ports are taken there is TCP still, if it is listened to.
func TestWithoutAFreePortThereIsTCP(t *testing.T) {
	of := ports(t, 1)
	f := newTestFactory(t, func(o *Options) { o.UDPPortRange, o.TCPPort = of, -1 })
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	late := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	}})
	late.sub.Negotiate()
	late.connected()
	if port := remotePort(late.pc); port != f.TCPAddr().Port {
		t.Errorf("connected to port %d", port)
	}
}

func TestTimerOfAFinderEndsWhenItIsNeededFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var f finder
		var ticks []time.Duration
		tick := func() {
			if f.woken() {
				ticks = append(ticks, time.Since(begin))
			}
		}
		at := func(after time.Duration) { f.wake(begin.Add(after), tick) }
		until := func(after time.Duration, want ...time.Duration) {
			t.Helper()
			time.Sleep(time.Until(begin.Add(after)))
			synctest.Wait()
			if !slices.Equal(ticks, want) {
				t.Fatalf("ticks at %v, want %v", ticks, want)
			}
			ticks = nil
		}
		at(3)
		at(2)
		at(5) // later: whoever ticks then says so again
		until(10, 2)
		until(20)
		at(22)
		until(30, 22)
		at(25) // of the past
		until(40, 30)
		at(45)
		f.close()
		at(46)
		until(50)
	})
}

// asker makes checks by itself, from an address that nobody has told of.
type asker struct {
	t    *testing.T
	conn *net.UDPConn
	id   byte
}

func newAsker(t *testing.T, f *Factory) *asker {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, f.UDPAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &asker{t: t, conn: conn}
}

// ask sends a check for a session of ours, and returns its id.
func (a *asker) ask(ours stun.Credentials, theirs string) byte {
	a.t.Helper()
	a.id++
	if _, err := a.conn.Write(checkFor(ours, theirs, a.id)); err != nil {
		a.t.Fatal(err)
	}
	return a.id
}

// checkFor is a check of a controlled client.
func checkFor(ours stun.Credentials, theirs string, id byte) []byte {
	room := make([]byte, stun.MaxMessage)
	var w stun.Writer
	w.Begin(room, stun.Request, bytes.Repeat([]byte{id}, stun.IDSize))
	w.Username(ours.Ufrag + ":" + theirs)
	w.Uint64(stun.AttrControlled, 1)
	w.Uint32(stun.AttrPriority, 5000)
	key := stun.NewKey(ours.Password)
	return room[:w.End(&key)]
}

// answered waits for an answer, and returns the id of its check.
func (a *asker) answered() byte {
	a.t.Helper()
	_ = a.conn.SetReadDeadline(time.Now().Add(patience))
	for b := make([]byte, 1500); ; {
		n, err := a.conn.Read(b)
		if err != nil {
			a.t.Fatal(err)
		}
		if m, ok := stun.Parse(b[:n]); ok && m.Kind == stun.Success {
			return m.ID[0]
		}
	}
}

// names are ours, as they are registered.
func names(c *conn) (names []string) {
	donec := make(chan struct{})
	if c.queue.post(func() { names = slices.Clone(c.finder.names); close(donec) }) == nil {
		<-donec
	}
	return names
}

func TestChecksOfTheFormerSessionAreAnsweredUntilThereIsAPath(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	agent := c.sub.finder.agent
	former, theirs := agent.Local(), agent.Remote().Ufrag
	if got := names(&c.sub.conn); !slices.Equal(got, []string{former.Ufrag}) {
		t.Errorf("names %v", got)
	}
	restart := func() stun.Credentials {
		t.Helper()
		before := c.lastOffer().id
		c.sub.RestartICE()
		eventually(t, "an offer", func() bool { return c.lastOffer().id > before })
		return agent.Local()
	}
	c.with(func() { c.mute = true })
	current := restart()
	if got := names(&c.sub.conn); !slices.Equal(got, []string{former.Ufrag, current.Ufrag}) {
		t.Errorf("names %v", got)
	}
	for name, session := range map[string]stun.Credentials{"former": former, "current": current} {
		a := newAsker(t, f)
		a.ask(stun.Credentials{Ufrag: session.Ufrag, Password: "wrong"}, theirs)
		if want := a.ask(session, theirs); a.answered() != want {
			t.Errorf("another check of the %s session is answered", name)
		}
	}
	if c.sub.packets.link.Path() == nil {
		t.Error("the path is not in use any more")
	}

	offer := c.lastOffer()
	c.signalc <- func() { c.answer(offer.sdp, offer.id) }
	eventually(t, "a path", func() bool { return agent.Local() == current && !agent.Searching() })
	a := newAsker(t, f)
	a.ask(former, theirs)
	if want := a.ask(current, agent.Remote().Ufrag); a.answered() != want {
		t.Error("the former session is not over")
	}

	// Neither is answered: the path in use is kept.
	second, third := restart(), restart()
	if got := names(&c.sub.conn); !slices.Equal(got, []string{former.Ufrag, current.Ufrag, second.Ufrag, third.Ufrag}) {
		t.Errorf("names %v", got)
	}
	now := time.Now()
	eventually(t, "the client is heard", func() bool { return c.sub.vigil.heard().After(now) })
	a = newAsker(t, f)
	if want := a.ask(current, agent.Remote().Ufrag); a.answered() != want {
		t.Error("the session of the path in use is over")
	}
	fourth, fifth := restart(), restart()
	if got := names(&c.sub.conn); !slices.Equal(got, []string{current.Ufrag, second.Ufrag, third.Ufrag, fourth.Ufrag, fifth.Ufrag}) {
		t.Errorf("names %v", got)
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

// A client may tell its candidates in its descriptions alone.
func TestCandidatesOfDescriptionsAreTaken(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.pc.OnICECandidate(func(*webrtc.ICECandidate) {})
	c.dataChannels()
	gathered := webrtc.GatheringCompletePromise(c.pc)
	odd := "a=candidate:1 1 udp 1 not-an-address 9 typ host\r\na=candidate:\r\na=candidate:1 1 udp 1 a.local 9 typ host\r\na=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n"
	c.negotiateAs(func(string) string {
		<-gathered
		return strings.Replace(c.pc.LocalDescription().SDP, "a=candidate:", odd+"a=candidate:", 1)
	}, nil)
	c.connected()
	want := Route{Protocol: "udp", Candidate: "host"}
	if r, ok := c.pub.Route(); !ok || r != want {
		t.Errorf("route %+v", r) // prflx if nobody has told of it
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestCandidatesOfADescriptionAreBounded(t *testing.T) {
	data := "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:%d\r\n" + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", maxCandidates)
	r, err := parseRemote(session + fmt.Sprintf(data, 0) + fmt.Sprintf(data, 1))
	if err != nil || len(r.candidates) != maxCandidates {
		t.Errorf("%d candidates, %v", len(r.candidates), err)
	}
	prints := strings.Repeat("a=fingerprint:sha-256 AA\r\n", 2*maxFingerprints)
	if r, err = parseRemote(session + prints + fmt.Sprintf(data, 0)); err != nil || len(r.fingerprints) != maxFingerprints {
		t.Errorf("%d fingerprints, %v", len(r.fingerprints), err)
	}
}

// An address that nobody has told of is peer-reflexive (RFC 8445 §7.3.1.3).
func TestTypesOfTheClientsCandidates(t *testing.T) {
	var d told
	addr := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port) }
	if got := d.kind(addr(1)); got != "prflx" {
		t.Errorf("nobody has told of it: %s", got)
	}
	for i, kind := range []string{"host", "srflx", "relay"} {
		d.add(remoteCandidate{addr: addr(uint16(i + 1)), kind: kind})
	}
	for i, want := range []string{"host", "srflx", "relay", "prflx"} {
		if got := d.kind(addr(uint16(i + 1))); got != want {
			t.Errorf("address %d: %s, want %s", i, got, want)
		}
	}
	for port := range uint16(2 * maxTold) {
		d.add(remoteCandidate{addr: addr(1000 + port), kind: "host"})
	}
	if n := len(d.kinds); n > maxTold {
		t.Errorf("%d addresses are remembered", n)
	}
}
