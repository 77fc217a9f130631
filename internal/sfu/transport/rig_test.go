package transport

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// modes are the ways in which a system can move datagrams.
var modes = map[string]Options{"batches": {Readers: 2}, "plain": {Readers: 1, Plain: true}}

func newMux(t testing.TB, o Options) *Mux {
	t.Helper()
	m, err := Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// join returns a Link to the sockets of m that has names.
func join(t testing.TB, m *Mux, h Handler, ufrags ...string) *Link {
	t.Helper()
	l := NewLink(m, nil, h)
	t.Cleanup(l.Close)
	for _, ufrag := range ufrags {
		if err := l.Register(ufrag); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// client is a socket of a client.
type client struct {
	*net.UDPConn
	t testing.TB
}

func newClient(t testing.TB) client {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(8 << 20)
	t.Cleanup(func() { _ = c.Close() })
	return client{c, t}
}

func (c client) addr() netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func (c client) send(m *Mux, b []byte) {
	c.t.Helper()
	if _, err := c.WriteToUDPAddrPort(b, m.LocalAddrs()[0]); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive() string {
	c.t.Helper()
	got, _ := c.receiveFrom()
	return got
}

func (c client) receiveFrom() (string, netip.AddrPort) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b[:n]), from
}

// check is a connectivity check for one of our user name fragments.
func check(ufrag string) []byte {
	var w stun.Writer
	b, key := make([]byte, 200), stun.NewKey("our password of 22 chars")
	w.Begin(b, stun.Request, []byte("twelve bytes"))
	w.Uint32(stun.AttrPriority, 1)
	w.Username(ufrag + ":theirs")
	return b[:w.End(&key)]
}

// claim makes a client's address the link's, as an agent does by its answers.
func claim(l *Link, of client) *Path {
	p := l.Paths(of.addr())[0]
	p.Claim()
	return p
}

// reach has media go to a client.
func reach(t testing.TB, l *Link, to client) *Path {
	t.Helper()
	p := claim(l, to)
	p.Write([]byte("\x01\x01hi"))
	if got := to.receive(); got != "\x01\x01hi" {
		t.Fatalf("client has got %q", got)
	}
	l.Select(p)
	return p
}

func eachMode(t *testing.T, test func(t *testing.T, o Options)) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) { test(t, o) })
	}
}

func numbered(i, n int) []byte { return append([]byte{0x80, 96}, fmt.Sprintf("%0*d", n-2, i)...) }
