package turn

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestMediaPortIsReachedThroughTheRelay(t *testing.T) {
	for _, network := range []string{"udp", "tls", "tcp"} {
		t.Run(network, func(t *testing.T) {
			tc := newRig(t, func(o *Options) { o.ExternalTLS = network == "tcp" })
			relayed := tc.allocate(tc.admitted(network, "PA_alice"))
			tc.wantEcho(relayed, tc.media.LocalAddr(), "hello")
			s := tc.server.Stats()
			if s.Relays != 1 || s.BytesUp < 5 || s.BytesDown < 5 || s.Forbidden != 0 {
				t.Errorf("stats %+v", s)
			}
			if wantConnections := map[string]int{"udp": 0, "tls": 1, "tcp": 1}[network]; s.Connections != wantConnections {
				t.Errorf("%d connections, want %d", s.Connections, wantConnections)
			}
		})
	}
}

func TestClientsAreToldOfEveryWay(t *testing.T) {
	tc := newRig(t, func(o *Options) {
		o.Media[0].Advertised = []netip.Addr{netip.MustParseAddr("203.0.113.7"), loopback}
	})
	udp, tcp := tc.server.Addrs()
	want := []string{
		"turn:203.0.113.7:" + portOf(udp) + "?transport=udp",
		"turns:turn.test:" + portOf(tcp) + "?transport=tcp",
	}
	if got := tc.server.Admit("PA_a").URLs; !slices.Equal(got, want) {
		t.Errorf("URLs %q, want %q", got, want)
	}

	tc = newRig(t, func(o *Options) { o.ExternalTLS, o.UDPPort = true, 0 })
	if got := tc.server.Admit("PA_a").URLs; !slices.Equal(got, []string{"turns:turn.test:443?transport=tcp"}) {
		t.Errorf("URLs behind another's TLS: %q", got)
	}
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

func TestMediaIsReachedUnderTheAddressThatClientsKnow(t *testing.T) {
	outside := netip.MustParseAddr("203.0.113.7")
	tc := newRig(t, func(o *Options) { o.Media[0].Advertised = []netip.Addr{outside} })
	relayed := tc.allocate(tc.admitted("udp", "PA_alice"))
	port := tc.media.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	tc.wantEcho(relayed, net.UDPAddrFromAddrPort(netip.AddrPortFrom(outside, port)), "from outside")
	// The local address is ours as well.
	tc.wantEcho(relayed, tc.media.LocalAddr(), "from inside")
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	media := []MediaAddr{{Local: loopback, Advertised: []netip.Addr{loopback}}}
	taken := newRig(t, nil)
	udp, _ := taken.server.Addrs()
	for name, tt := range map[string]struct {
		opts Options
		want error
	}{
		"no port":        {Options{Media: media, MediaPorts: [2]uint16{1, 1}}, ErrNoPorts},
		"no media":       {Options{UDPPort: -1}, ErrNoAddress},
		"no certificate": {Options{Media: media, MediaPorts: [2]uint16{1, 1}, UDPPort: -1, TLSPort: -1}, ErrNoCertificate},
		"port in use": {Options{
			Media: media, MediaPorts: [2]uint16{1, 1}, UDPPort: udp.(*net.UDPAddr).Port,
		}, nil},
	} {
		s, err := Start(tt.opts)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: started", name)
		} else if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestCloseFreesThePorts(t *testing.T) {
	tc := newRig(t, nil)
	for _, network := range []string{"udp", "tls"} {
		relayed := tc.allocate(tc.admitted(network, "PA_"+network))
		tc.wantEcho(relayed, tc.media.LocalAddr(), "hello")
	}
	udp, tcp := tc.server.Addrs()
	if err := tc.server.Close(); err != nil {
		t.Fatal(err)
	}
	tc.eventually("everything to end", func() bool {
		s := tc.server.Stats()
		return s.Relays == 0 && s.Connections == 0 && s.Sessions == 0 && tc.server.pion.AllocationCount() == 0
	})
	u, err := net.ListenUDP("udp", udp.(*net.UDPAddr))
	if err != nil {
		t.Fatalf("UDP port is still taken: %v", err)
	}
	_ = u.Close()
	l, err := net.Listen("tcp", tcp.String())
	if err != nil {
		t.Fatalf("TLS port is still taken: %v", err)
	}
	_ = l.Close()
}
