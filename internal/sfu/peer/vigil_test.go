package peer

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/consent"
	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// cable is a client's network, which can be cut and listened to.
type cable struct {
	*stdnet.Net
	cut atomic.Bool
	tap func([]byte) // immutable; hears what arrives; may be nil

	mu   sync.Mutex
	ends []pion.UDPConn // mu guards
}

func newCable(t *testing.T) *cable {
	t.Helper()
	n, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	return &cable{Net: n}
}

// ListenUDP implements transport.Net of pion.
func (c *cable) ListenUDP(network string, at *net.UDPAddr) (pion.UDPConn, error) {
	conn, err := c.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, conn)
	return cableEnd{conn, c}, nil
}

// from returns the client's socket at an address.
func (c *cable) from(t *testing.T, at netip.AddrPort) pion.UDPConn {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		if end.LocalAddr().(*net.UDPAddr).Port == int(at.Port()) {
			return end
		}
	}
	t.Fatalf("no socket at %v", at)
	return nil
}

type cableEnd struct {
	pion.UDPConn
	cable *cable
}

func (e cableEnd) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := e.UDPConn.ReadFrom(b)
		if err != nil || !e.cable.cut.Load() {
			if err == nil && e.cable.tap != nil {
				e.cable.tap(b[:n])
			}
			return n, from, err
		}
	}
}

func (e cableEnd) WriteTo(b []byte, to net.Addr) (int, error) {
	if e.cable.cut.Load() {
		return len(b), nil
	}
	return e.UDPConn.WriteTo(b, to)
}

var anyAddr = netip.MustParseAddrPort("192.0.2.1:4000")

func impatient(o *Options) {
	o.DisconnectedTimeout, o.FailedTimeout, o.KeepaliveInterval = 1500*time.Millisecond, 1500*time.Millisecond, 200*time.Millisecond
}

func TestClientThatFallsSilent(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"the shared UDP port": func(*Options) {},
		"a port of its own":   func(o *Options) { o.UDPPortRange = [2]uint16{43000, 43999} },
		"lite":                func(o *Options) { o.ICELite = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTestFactory(t, func(o *Options) { impatient(o); change(o) })
			wire := newCable(t)
			var answers atomic.Int32
			wire.tap = func(b []byte) {
				if m, ok := stun.Parse(b); ok && m.Kind == stun.Success {
					answers.Add(1)
				}
			}
			c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) { e.SetNet(wire) }})
			c.sub.Negotiate()
			c.connected()
			began := time.Now()
			v := &c.sub.vigil
			eventually(t, "checks are taken", func() bool { return v.heard().After(began) })
			if !f.opts.ICELite {
				eventually(t, "checks are answered", func() bool { return v.keeper.Load().Consented().After(began) })
			}
			wire.cut.Store(true)
			eventually(t, "silence is noticed", func() bool { return c.state() == Disconnected })
			wire.cut.Store(false)
			eventually(t, "the client is back", func() bool { return c.state() == Connected })

			wire.cut.Store(true)
			eventually(t, "the connection is given up", func() bool { return c.state() == Failed })
			if p := c.sub.packets.link.Path(); p != nil {
				t.Error("media still goes to a client that has not consented")
			}
			// With the credentials for which consent was lost it is over: a client whose
			// checks are answered would see no reason to restart.
			before := answers.Load()
			wire.cut.Store(false)
			time.Sleep(2500 * time.Millisecond) // its checks come every two seconds
			if n := answers.Load() - before; n != 0 {
				t.Errorf("%d checks were answered on a path that is lost", n)
			}
			c.sub.RestartICE()
			eventually(t, "ICE is restarted", func() bool {
				return c.state() == Connected && c.sub.packets.link.Path() != nil
			})
			if err := c.failure(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A client of ours can send a check for its own connection from an address that is not its
// own. Whose address it is has it back with its next check.
func TestAnAddressThatAnotherHasNamedIsTakenBack(t *testing.T) {
	f := newTestFactory(t, nil)
	wire := newCable(t)
	c := newPubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) { e.SetNet(wire) }})
	reliable, _ := c.dataChannels()
	c.negotiate(nil)
	c.connected()
	eventually(t, "data can be sent", func() bool { return reliable.ReadyState() == webrtc.DataChannelStateOpen })

	thief := newSubClient(t, f, clientOptions{})
	thief.sub.Negotiate()
	thief.connected()
	agent := thief.sub.finder.agent
	check := checkFor(agent.Local(), agent.Remote().Ufrag, 1)
	at := c.pub.packets.link.Path().Addr()
	if _, err := wire.from(t, at).WriteTo(check, net.UDPAddrFromAddrPort(f.UDPAddr().AddrPort())); err != nil {
		t.Fatal(err)
	}
	if err := reliable.SendText("still here"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "data arrives", func() bool { return c.messages() > 0 })
}

// Nothing is lost, and sound is not sent again: only our own checks can tell.
func TestRoundTripToAPublisherIsMeasuredWithoutLoss(t *testing.T) {
	for name, lite := range map[string]bool{"full": false, "lite": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTestFactory(t, func(o *Options) { impatient(o); o.ICELite = lite })
			c := newPubClient(t, f, clientOptions{})
			mic, _ := c.publish(webrtc.MimeTypeOpus, "stream", "mic")
			c.negotiate(nil)
			c.connected()
			eventually(t, "the track is there", func() bool { return c.track("mic") != nil })
			began := time.Now()
			rtt := func() time.Duration {
				if layers := c.track("mic").UpTrack().Stats().Layers; len(layers) > 0 {
					return layers[0].RTT
				}
				return 0
			}
			sendOpus(t, mic, "packets come, and checks", func() bool {
				v := &c.pub.vigil
				return upPackets(c.track("mic")) > 0 && v.heard().After(began) && (lite || rtt() > 0)
			})
			if got := rtt(); lite && got != 0 || got > time.Since(began) {
				t.Errorf("round trip %v", got)
			}
		})
	}
}

func TestClientThatIsNeverReached(t *testing.T) {
	f := newTestFactory(t, impatient)
	wire := newCable(t)
	wire.cut.Store(true)
	c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) { e.SetNet(wire) }})
	var log bytes.Buffer // written by tasks only
	c.sub.log = slog.New(slog.NewTextHandler(&log, nil))
	c.sub.Negotiate()
	eventually(t, "the connection is given up", func() bool { return c.state() == Failed })
	c.sub.Close()
	if said := log.String(); strings.Count(said, "no way to send media to the client") != 1 || !strings.Contains(said, "heard=false") {
		t.Errorf("the log has %q", said)
	}
}

// SDKs may give up, and leave, before the server does.
func TestClientThatIsNeverReachedLeaves(t *testing.T) {
	for sought, want := range map[time.Duration]int{complainAfter: 1, complainAfter / 2: 0} {
		f := newTestFactory(t, nil)
		wire := newCable(t)
		wire.cut.Store(true)
		c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) { e.SetNet(wire) }})
		var log bytes.Buffer
		c.sub.log = slog.New(slog.NewTextHandler(&log, nil))
		c.sub.Negotiate()
		v := &c.sub.vigil
		eventually(t, "the client is looked for", func() bool { return v.searched(time.Now()) > 0 })
		v.mu.Lock()
		v.seeking = v.seeking.Add(-sought)
		v.mu.Unlock()
		c.sub.Close()
		if said := log.String(); strings.Count(said, "no way to send media to the client") != want {
			t.Errorf("after %v the log has %q", sought, said)
		}
	}
}

func TestARestartThatFailsHasNotConnected(t *testing.T) {
	f := newTestFactory(t, impatient)
	wire := newCable(t)
	c := newPubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) { e.SetNet(wire) }})
	c.dataChannels()
	c.negotiate(nil)
	c.connected()
	wire.cut.Store(true)
	c.negotiate(&webrtc.OfferOptions{ICERestart: true})
	eventually(t, "the connection is given up", func() bool { return c.state() == Failed })
	c.with(func() {
		if n := len(c.states); c.states[n-2] != Connecting {
			t.Errorf("states %v", c.states)
		}
	})
}

func TestWhatAVigilFinds(t *testing.T) {
	const wait, more = 10 * time.Second, 5 * time.Second
	begin := time.Unix(1_000_000, 0)
	ours, theirs := consent.Credentials{Ufrag: "ours", Password: "secret"}, consent.Credentials{Ufrag: "theirs", Password: "hidden"}
	keeper := func(at time.Time) *consent.Keeper { return consent.New(ours, theirs, true, at) }
	// answered has the client answer one check of the keeper.
	answered := func(k *consent.Keeper, at time.Time) {
		room, reply := make([]byte, k.CheckSize()), make([]byte, consent.MaxReply)
		n := k.Check(room, at)
		m, ok := consent.New(theirs, ours, false, at).Take(room[:n], anyAddr, reply, at)
		if _, taken := k.Take(reply[:m], anyAddr, nil, at); !ok || !taken {
			t.Fatal("keepers do not agree")
		}
	}
	// asks has the client make a check of its own, which is no consent.
	asks := func(k *consent.Keeper, at time.Time) {
		client := consent.New(theirs, ours, false, at)
		room := make([]byte, client.CheckSize())
		if _, ok := k.Take(room[:client.Check(room, at)], anyAddr, make([]byte, consent.MaxReply), at); !ok {
			t.Fatal("keepers do not agree")
		}
	}
	type step struct {
		after time.Duration // of begin
		do    func(*vigil, time.Time)
		want  State // of one that pion calls connected
	}
	kept := func(v *vigil, at time.Time) { v.keep(keeper(at)) }
	heard := func(v *vigil, at time.Time) { answered(v.keeper.Load(), at) }
	asked := func(v *vigil, at time.Time) { asks(v.keeper.Load(), at) }
	sought := func(ufrags ...string) func(*vigil, time.Time) {
		return func(v *vigil, at time.Time) { v.seek(ufrags, at) }
	}
	for name, steps := range map[string][]step{
		"no path in time":            {{0, sought("theirs"), Connected}, {wait + more, nil, Connected}, {wait + more + 1, nil, Failed}},
		"offers buy no time":         {{0, sought("theirs"), Connected}, {wait, sought("theirs", "x"), Connected}, {wait + more + 1, sought("theirs"), Failed}},
		"a path in time":             {{0, sought("theirs"), Connected}, {wait, kept, Connected}, {2 * wait, nil, Connected}, {2*wait + 1, nil, Disconnected}},
		"silent and back":            {{0, kept, Connected}, {wait + 1, nil, Disconnected}, {wait + 2, nil, Disconnected}, {wait + 3, heard, Connected}},
		"silent and lost":            {{0, kept, Connected}, {wait + 1, nil, Disconnected}, {wait + more + 1, nil, Failed}, {wait + more + 2, heard, Failed}},
		"another session is sought":  {{0, kept, Connected}, {wait, sought("new"), Connected}, {2 * wait, kept, Connected}, {2*wait + more + 1, nil, Failed}},
		"the same session is enough": {{0, kept, Connected}, {wait, sought("theirs"), Connected}, {wait + 1, nil, Disconnected}},
		"a restart saves it":         {{0, kept, Connected}, {time.Minute, nil, Failed}, {time.Minute, func(v *vigil, at time.Time) { v.restart(at) }, Connected}, {time.Minute + wait, kept, Connected}},
		"asks and never consents": {
			{0, kept, Connected}, {9 * time.Second, asked, Connected}, {18 * time.Second, asked, Connected},
			{27 * time.Second, asked, Connected}, {consent.Expiry, nil, Connected}, {consent.Expiry + 1, nil, Failed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vigil{disconnected: wait, failed: more}
			was := Connected
			for i, s := range steps {
				at := begin.Add(s.after)
				if s.do != nil {
					s.do(v, at)
				}
				reset := v.adjust(Connected)
				due, changed := v.look(at)
				got := v.adjust(Connected)
				if got != s.want || changed != (got != reset) || due != nil && got == Failed {
					t.Fatalf("step %d: %v after %v, changed %t, due %t", i, got, was, changed, due != nil)
				}
				was = got
			}
		})
	}
}

func TestOnlyConnectionsThatComeUpAreAdjusted(t *testing.T) {
	v := &vigil{}
	v.found.Store(int32(pathLost))
	for _, s := range []State{New, Disconnected, Failed, Closed} {
		if got := v.adjust(s); got != s {
			t.Errorf("%v becomes %v", s, got)
		}
	}
}

func TestPathOverTCPIsKept(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { impatient(o); o.TCPPort = -1 })
	c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}})
	c.sub.Negotiate()
	c.connected()
	k, began := c.sub.vigil.keeper.Load(), time.Now()
	eventually(t, "both sides check", func() bool { return k.Consented().After(began) && c.state() == Connected })
}
