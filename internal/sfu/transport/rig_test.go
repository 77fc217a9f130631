package transport

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
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

// catcher is a Handler that keeps what comes.
type catcher struct {
	mu  sync.Mutex
	got []string
	do  func(b []byte, batch *Batch)

	answers func(b []byte, path *Path, batch *Batch) bool // immutable
}

// HandleData notes a record as it is, in brackets.
func (c *catcher) HandleData(b []byte, _ *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, "["+string(b)+"]")
}

// HandleCheck leaves to the agent what answers does not take.
func (c *catcher) HandleServerHello(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, "<"+string(b)+">")
}

func (c *catcher) HandleCheck(b []byte, path *Path, batch *Batch) bool {
	return c.answers != nil && c.answers(b, path, batch)
}

func (c *catcher) HandleMedia(b []byte, batch *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, string(b))
	if c.do != nil {
		c.do(b, batch)
	}
}

func (c *catcher) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
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
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b[:n])
}

// check is a connectivity check for one of our user name fragments.
func check(ufrag string) []byte {
	name := ufrag + ":theirs"
	b := make([]byte, stunHeader, 64)
	binary.BigEndian.PutUint16(b, stunBinding)
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	b = append(b, 0x80, 0x22, 0, 3, 'a', 'b', 'c', 0) // another attribute, padded
	b = binary.BigEndian.AppendUint16(b, stunUsername)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, name...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader))
	return b
}

// share is what the agent of a link has gathered.
func share(t testing.TB, m *Mux, l *Link, ufrag string) *Conn {
	t.Helper()
	c, err := l.GetConn(ufrag, l.GetListenAddresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*Conn)
}

// reach makes a client's address the link's, as an agent does by its checks.
func reach(t testing.TB, c *Conn, to client) *Path {
	t.Helper()
	if _, err := c.WriteToAddrPort([]byte{1, 1, 'h', 'i'}, to.addr()); err != nil {
		t.Fatal(err)
	}
	if got := to.receive(); got != "\x01\x01hi" {
		t.Fatalf("client has got %q", got)
	}
	if !c.link.Select(to.addr(), false) {
		t.Fatal("no path")
	}
	return c.link.Path()
}

func eachMode(t *testing.T, test func(t *testing.T, o Options)) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) { test(t, o) })
	}
}

func numbered(i, n int) []byte { return append([]byte{0x80, 96}, fmt.Sprintf("%0*d", n-2, i)...) }
