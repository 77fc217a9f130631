package turn

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/pki"

	"github.com/pion/turn/v5"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// rig is a server on loopback, with a media port behind it that echoes.
type rig struct {
	testing.TB
	server *Server
	media  *net.UDPConn
	dir    string
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	media, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		buf := make([]byte, maxPacket)
		for {
			n, from, err := media.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = media.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() {
		_ = media.Close()
		<-echoed
	})
	port := media.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	opts := Options{
		Media:      []MediaAddr{{Local: loopback, Advertised: []netip.Addr{loopback}}},
		MediaPorts: [2]uint16{port, port}, UDPPort: -1, TLSPort: -1, Domain: "turn.test",
		BindAddresses: []string{"127.0.0.1"}, RelayPorts: [2]uint16{20000, 60000},
	}
	tc := &rig{TB: t, media: media, dir: t.TempDir()}
	pair, err := tls.LoadX509KeyPair(pki.Write(t, tc.dir, "turn.test"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	if change != nil {
		change(&opts)
	}
	tc.server, err = Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tc.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return tc
}

// dial opens what a client talks to the server over: udp, tcp or tls.
func (tc *rig) dial(network string) net.PacketConn {
	tc.Helper()
	_, tcp := tc.server.Addrs()
	var conn net.PacketConn
	var err error
	var stream net.Conn
	switch network {
	case "udp":
		conn, err = net.ListenPacket("udp4", "127.0.0.1:0")
	case "tcp":
		stream, err = net.Dial("tcp", tcp.String())
	case "tls":
		stream, err = tls.Dial("tcp", tcp.String(), &tls.Config{InsecureSkipVerify: true}) // signed by itself
	}
	if err != nil {
		tc.Fatal(err)
	}
	if stream != nil {
		conn = turn.NewSTUNConn(stream)
	}
	tc.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client makes a client with these credentials.
func (tc *rig) client(network, username, password string) *turn.Client {
	tc.Helper()
	udp, tcp := tc.server.Addrs()
	at := tcp
	if network == "udp" {
		at = udp
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: at.String(), TURNServerAddr: at.String(), Conn: tc.dial(network),
		Username: username, Password: password, LoggerFactory: pionLogs{tc.server.log},
	})
	if err == nil {
		err = c.Listen()
	}
	if err != nil {
		tc.Fatal(err)
	}
	tc.Cleanup(c.Close)
	return c
}

// admitted makes a client of a participant.
func (tc *rig) admitted(network, sid string) *turn.Client {
	c := tc.server.Admit(sid)
	return tc.client(network, c.Username, c.Password)
}

// allocate wants an allocation.
func (tc *rig) allocate(c *turn.Client) net.PacketConn {
	tc.Helper()
	relayed, err := c.Allocate()
	if err != nil {
		tc.Fatalf("allocate: %v", err)
	}
	tc.Cleanup(func() { _ = relayed.Close() })
	return relayed
}

// wantRefused wants no allocation, and the error code in the answer.
func (tc *rig) wantRefused(c *turn.Client, code string) {
	tc.Helper()
	relayed, err := c.Allocate()
	if err == nil {
		_ = relayed.Close()
		tc.Fatalf("allocation granted, want error %s", code)
	}
	if !strings.Contains(err.Error(), code) {
		tc.Errorf("refused with %v, want error %s", err, code)
	}
}

// wantEcho sends over the relay until the answer comes back.
func (tc *rig) wantEcho(relayed net.PacketConn, peer net.Addr, text string) {
	tc.Helper()
	buf := make([]byte, maxPacket)
	for range 50 { // packets may be lost, also on loopback
		if _, err := relayed.WriteTo([]byte(text), peer); err != nil {
			tc.Fatalf("send over the relay: %v", err)
		}
		_ = relayed.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, from, err := relayed.ReadFrom(buf)
		if err != nil {
			continue
		}
		if string(buf[:n]) != text || from.String() != peer.String() {
			tc.Fatalf("got %q from %v, want %q from %v", buf[:n], from, text, peer)
		}
		return
	}
	tc.Fatalf("no answer from %v", peer)
}

// eventually waits for what another goroutine will have done.
func (tc *rig) eventually(what string, done func() bool) {
	tc.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tc.Fatalf("waited in vain for %s; %+v", what, tc.server.Stats())
		}
	}
}
