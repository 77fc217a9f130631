package transport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

func TestMediaGoesToTheHandlerAndTheRestToTheAgent(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m, h, cl := newMux(t, o), new(catcher), newClient(t)
		l := NewLink(m, h)
		c := share(t, m, l, "ours")
		cl.send(m, []byte{0x80, 96, 'e', 'a', 'r', 'l', 'y'}) // of nobody yet
		cl.send(m, check("ours"))
		b := make([]byte, 1500)
		n, from, err := c.ReadFromAddrPort(b)
		if err != nil || from != cl.addr() || string(b[:n]) != string(check("ours")) {
			t.Fatalf("agent has read %q from %v, %v", b[:n], from, err)
		}
		reach(t, c, cl)
		cl.send(m, []byte{0x80, 96, 'r', 't', 'p'})
		cl.send(m, []byte{22, 'd', 't', 'l', 's'})
		n, _, err = c.ReadFromAddrPort(b)
		if err != nil || string(b[:n]) != "\x16dtls" {
			t.Fatalf("agent has read %q, %v", b[:n], err)
		}
		eventually(t, "media arrives", func() bool { return h.count() == 1 })
		if h.got[0] != "\x80\x60rtp" {
			t.Errorf("handler has got %q", h.got[0])
		}
	})
}

func TestWhatArrivesForAReservedNameWaitsForTheAgent(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	l := NewLink(m, new(catcher))
	release, err := l.Reserve("ours")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewLink(m, new(catcher)).Reserve("ours"); err == nil {
		t.Error("reserved twice")
	}
	cl.send(m, check("ours"))
	eventually(t, "it arrives", func() bool {
		c := m.sockets[0].byUfrag("ours")
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.queue) == 1
	})
	c := share(t, m, l, "ours")
	release()
	b := make([]byte, 1500)
	if n, from, err := c.ReadFromAddrPort(b); err != nil || from != cl.addr() || string(b[:n]) != string(check("ours")) {
		t.Errorf("agent has read %q from %v, %v", b[:n], from, err)
	}
	_ = c.Close()
	if m.sockets[0].byUfrag("ours") != nil {
		t.Error("the name is still there")
	}

	release, err = l.Reserve("unclaimed")
	if err != nil {
		t.Fatal(err)
	}
	release()
	if m.sockets[0].byUfrag("unclaimed") != nil {
		t.Error("a name that nobody has claimed is still there")
	}
}

func TestAnAddressFollowsTheConnectionThatAnswersIt(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	first, second := new(catcher), new(catcher)
	c1 := share(t, m, NewLink(m, first), "one")
	reach(t, c1, cl)
	c2 := share(t, m, NewLink(m, second), "two")
	cl.send(m, check("two")) // the same address, after a restart or by chance
	b := make([]byte, 1500)
	if _, from, err := c2.ReadFromAddrPort(b); err != nil || from != cl.addr() {
		t.Fatalf("second agent: %v, %v", from, err)
	}
	reach(t, c2, cl)
	_ = c1.Close() // must not take the address from the second
	cl.send(m, []byte{0x80, 1})
	eventually(t, "media arrives", func() bool { return second.count() == 1 })
	if first.count() != 0 {
		t.Error("the first has got media of the second")
	}
}

// A client can have us send to any address, of which it says that it is its own.
func TestAnAddressStaysWithTheConnectionWhoseMediaGoesThere(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	first, second := new(catcher), new(catcher)
	l1, l2 := NewLink(m, first), NewLink(m, second)
	reach(t, share(t, m, l1, "one"), cl)
	c2 := share(t, m, l2, "two")
	try := func(what string, to *catcher) {
		t.Helper()
		if _, err := c2.WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
			t.Fatal(err)
		}
		before := to.count()
		cl.send(m, []byte{0x80, 1})
		eventually(t, what, func() bool { return to.count() == before+1 })
	}
	try("it stays with the first", first)
	l1.Drop() // the first has lost its client
	try("it goes to the second", second)
	if !l2.Select(cl.addr(), false) {
		t.Fatal("no path")
	}
	// A check of the client's own says that there is another connection.
	c3 := share(t, m, NewLink(m, first), "three")
	if _, err := c3.WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
		t.Fatal(err)
	}
	try("it stays with the second", second)
	cl.send(m, check("three"))
	if _, _, err := c3.ReadFromAddrPort(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	if _, err := c3.WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
		t.Fatal(err)
	}
	before := first.count()
	cl.send(m, []byte{0x80, 1})
	eventually(t, "it goes to the third", func() bool { return first.count() == before+1 })
}

func TestOnlyAnswersClaimAnAddress(t *testing.T) {
	m, cl, h := newMux(t, Options{}), newClient(t), new(catcher)
	c := share(t, m, NewLink(m, h), "ours")
	cl.send(m, check("ours")) // anybody can send this
	if _, _, err := c.ReadFromAddrPort(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	if m.sockets[0].table.find(cl.addr()) != nil {
		t.Error("an unanswered check has claimed an address")
	}
	if c.link.Select(cl.addr(), false) {
		t.Error("media would go to an address that was never answered")
	}
}

func TestAClosedShareReadsNothing(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	l := NewLink(m, new(catcher))
	c := share(t, m, l, "ours")
	if again := share(t, m, l, "ours"); again != c {
		t.Error("the same name has two shares")
	}
	if _, err := NewLink(m, nil).GetConn("ours", l.GetListenAddresses()[0]); err == nil {
		t.Error("another link has got the share")
	}
	reach(t, c, cl)
	_ = c.Close()
	if _, err := c.WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
		t.Fatalf("closed by the first of two handles: %v", err)
	}
	read := make(chan error)
	go func() {
		_, _, err := c.ReadFromAddrPort(make([]byte, 100))
		read <- err
	}()
	l.RemoveConnByUfrag("ours")
	if err := <-read; !errors.Is(err, io.EOF) {
		t.Errorf("read: %v", err)
	}
	// DTLS would end of another error, see adopted.WriteTo.
	if _, err := c.WriteToAddrPort([]byte{1}, newClient(t).addr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed share sends: %v", err)
	}
	if m.sockets[0].table.find(cl.addr()) != nil || m.sockets[0].byUfrag("ours") != nil {
		t.Error("a closed share is still found")
	}
}

func TestThePortIsOurs(t *testing.T) {
	m := newMux(t, Options{Readers: 4})
	at := m.LocalAddrs()[0]
	if other, err := Listen([]netip.Addr{at.Addr()}, int(at.Port()), Options{Readers: 4}); err == nil {
		_ = other.Close()
		t.Error("a second server shares the port")
	}
	var wrong *AddrError
	if _, err := NewLink(m, nil).GetConn("x", &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}); !errors.As(err, &wrong) {
		t.Errorf("an address of somebody else: %v", err)
	}
}

func TestConnectionsComeAndGoWhileMediaFlows(t *testing.T) {
	m := newMux(t, Options{Readers: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		cl := newClient(t)
		wg.Go(func() {
			for range 50 {
				h := new(catcher)
				l := NewLink(m, h)
				c, err := l.GetConn(string(rune('a'+i)), l.GetListenAddresses()[0])
				if err != nil {
					t.Error(err)
					return
				}
				conn := c.(*Conn)
				if _, err := conn.WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
					t.Error(err)
				}
				cl.send(m, []byte{0x80, byte(i)})
				eventually(t, "media arrives", func() bool { return h.count() > 0 })
				_ = l.Close()
				_ = c.Close()
			}
		})
	}
	wg.Wait()
}

func FuzzCheck(f *testing.F) {
	f.Add(check("ours"))
	f.Add(check("")[:22])
	f.Add([]byte{0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42})
	f.Fuzz(func(t *testing.T, b []byte) { checkedUfrag(b) })
}
