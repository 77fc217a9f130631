package peer

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

func TestPortInUseIsNamed(t *testing.T) {
	first := newTestFactory(t, func(o *Options) { o.TCPPort = -1 })
	for _, opts := range []Options{
		{UDPPort: first.UDPAddr().Port},
		{TCPPort: first.TCPAddr().Port},
	} {
		opts.BindAddresses, opts.LoopbackCandidates = []string{"127.0.0.1"}, true
		_, err := NewFactory(opts)
		var listen *ListenError
		if !errors.As(err, &listen) || !errors.Is(err, ErrPortInUse) {
			t.Fatalf("got %v", err)
		}
		port := first.UDPAddr().String()
		if opts.TCPPort != 0 {
			port = first.TCPAddr().String()
		}
		if listen.Address != port || !strings.Contains(err.Error(), port) {
			t.Errorf("error %q does not name %s", err, port)
		}
	}
}

func TestUnusableAddressesAreRefused(t *testing.T) {
	for name, opts := range map[string]Options{
		"nothing to listen on": {BindAddresses: []string{"203.0.113.77"}},
		"no address":           {BindAddresses: []string{"here"}},
		"no node address":      {BindAddresses: []string{"127.0.0.1"}, NodeIPs: []string{"there"}},
		"port range":           {BindAddresses: []string{"127.0.0.1"}, UDPPortRange: [2]uint16{9, 3}},
	} {
		if f, err := NewFactory(opts); err == nil {
			t.Errorf("%s: made", name)
			_ = f.Close(context.Background())
		}
	}
}

func TestOneUDPPortServesManyConnections(t *testing.T) {
	f := newTestFactory(t, nil)
	port := f.UDPAddr().Port
	var clients []*subClient
	for range 8 {
		c := newSubClient(t, f, clientOptions{})
		c.sub.Negotiate()
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.connected()
		eventually(t, "the client uses the port", func() bool {
			return remotePort(c.pc) == port
		})
	}
}

// remotePort returns the server's port as the client sees it, 0 before.
func remotePort(pc *webrtc.PeerConnection) int {
	pair, err := pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return 0
	}
	return int(pair.Remote.Port)
}

func TestPortRangeInsteadOfOnePort(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.UDPPortRange = [2]uint16{41000, 41999} })
	if f.UDPAddr() != nil {
		t.Error("a shared port as well")
	}
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	if port := remotePort(c.pc); port < 41000 || port > 41999 {
		t.Errorf("port %d", port)
	}
}

func TestClientWithoutUDPConnectsByTCP(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.TCPPort = -1 })
	c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
		e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	}})
	c.sub.Negotiate()
	c.connected()
	if port := remotePort(c.pc); port != f.TCPAddr().Port {
		t.Errorf("connected to port %d", port)
	}
	if err := c.sub.SendData(Reliable, []byte("by TCP"), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "data arrives", func() bool {
		var n int
		c.with(func() { n = len(c.received) })
		return n == 1
	})
}

func TestICELiteConnects(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.ICELite = true })
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	p := newPubClient(t, f, clientOptions{})
	p.dataChannels()
	answer := p.negotiate(nil)
	p.connected()
	if !strings.Contains(answer, "a=ice-lite") || !strings.Contains(answer, "a=setup:passive") {
		t.Error(answer)
	}
}

func TestClientThatCannotDoICELiteGetsChecks(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.ICELite = true })
	for full, lite := range map[bool]bool{true: false, false: true} {
		heard := &candidates{}
		sub, err := f.NewSubscriber(SubscriberOptions{Handler: heard, FullICE: full})
		if err != nil {
			t.Fatal(err)
		}
		sub.Negotiate()
		eventually(t, "an offer", func() bool { return heard.final() })
		sub.Close()
		if got := strings.Contains(heard.offer, "a=ice-lite"); got != lite {
			t.Errorf("full ICE %v: ice-lite in the offer is %v", full, got)
		}
	}
}

func TestNodeIPIsAdvertised(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.NodeIPs, o.TCPPort = []string{"203.0.113.9"}, -1 })
	heard := &candidates{}
	sub, err := f.NewSubscriber(SubscriberOptions{Handler: heard})
	if err != nil {
		t.Fatal(err)
	}
	sub.Negotiate()
	eventually(t, "all candidates", func() bool { return heard.final() })
	sub.Close()
	for _, init := range heard.inits {
		if strings.Fields(init)[4] != "203.0.113.9" {
			t.Errorf("candidate %s", init)
		}
	}
	if len(heard.inits) != 2 { // UDP and TCP
		t.Errorf("%d candidates", len(heard.inits))
	}
}

func TestCandidatesCoverEveryUsableAddress(t *testing.T) {
	want := map[string]bool{}
	addrs, err := localAddresses(Options{LoopbackCandidates: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		want[a.String()] = true
	}
	f := newTestFactory(t, func(o *Options) { o.BindAddresses = []string{"0.0.0.0", "::"} })
	heard := &candidates{}
	sub, err := f.NewSubscriber(SubscriberOptions{Handler: heard})
	if err != nil {
		t.Fatal(err)
	}
	sub.Negotiate()
	eventually(t, "all candidates", func() bool { return heard.final() })
	sub.Close()
	for _, init := range heard.inits {
		fields := strings.Fields(init)
		if !want[fields[4]] || fields[5] != portText(f.UDPAddr()) {
			t.Errorf("candidate %s", init)
		}
		delete(want, fields[4])
	}
	if len(want) > 0 {
		t.Errorf("no candidate for %v", want)
	}
}

func portText(a *net.UDPAddr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// candidates is a handler that only keeps candidates.
type candidates struct {
	subClient
	inits []string
	done  bool
	offer string
}

func (c *candidates) SubscriberOffer(sdp string, _ uint32, _ map[string]string) {
	c.with(func() {
		c.offer = sdp
		c.inits = attribute(sdp, "candidate")
		c.done = strings.Contains(sdp, "a=end-of-candidates")
	})
}

func (c *candidates) StreamState(*Sender, bool) {}

func (c *candidates) final() (done bool) {
	c.with(func() { done = c.done })
	return done
}
