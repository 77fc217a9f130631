package transport

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func TestMediaGoesToTheConnectionWhoseAddressWasClaimed(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m, w1, w2, c1, c2 := newMux(t, o), new(witness), new(witness), newClient(t), newClient(t)
		l1, l2 := join(t, m, w1, "one"), join(t, m, w2, "two")
		c1.send(m, []byte("\x80early")) // of nobody yet
		c1.send(m, []byte("\x16early"))
		c1.send(m, check("one"))
		w1.want(t, "check one")
		reach(t, l1, c1)
		reach(t, l2, c2)
		c1.send(m, []byte("\x80first"))
		c1.send(m, []byte("\x16dtls"))
		c2.send(m, []byte("\x80second"))
		c1.send(m, []byte("\x60neither"))
		c1.send(m, []byte("\x01\x01answer"))
		w1.want(t, "check one", "media \x80first", "handshake \x16dtls", "check \x01\x01answer")
		w2.want(t, "media \x80second")
		// Another path than the media's does as well, and after it.
		away := newClient(t)
		claim(l1, away)
		away.send(m, []byte("\x80away"))
		w1.want(t, "check one", "media \x80first", "handshake \x16dtls", "check \x01\x01answer", "media \x80away")
	})
}

func TestACheckNamesItsConnectionWhateverAddressItComesFrom(t *testing.T) {
	m, w1, w2, cl := newMux(t, Options{}), new(witness), new(witness), newClient(t)
	reach(t, join(t, m, w1, "one", "other"), cl)
	join(t, m, w2, "two")
	cl.send(m, check("two"))
	cl.send(m, check("nobody"))
	cl.send(m, check("other"))
	cl.send(m, check("one"))
	w1.want(t, "check other", "check one")
	w2.want(t, "check two")
}

func TestChecksAreAnsweredWhereTheyAreRead(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m, home, away := newMux(t, o), newClient(t), newClient(t)
		w := &witness{do: func(_ []byte, from *Path, batch *Batch) {
			batch.Add(from, copy(batch.Reserve(3), "yes"))
		}}
		l := join(t, m, w, "ours")
		for _, cl := range []client{home, away} {
			cl.send(m, check("ours"))
			if got := cl.receive(); got != "yes" {
				t.Errorf("the client gets %q", got)
			}
		}
		l.Select(w.path(0))
		home.send(m, []byte("\x01\x01answer"))
		if got := home.receive(); got != "yes" {
			t.Errorf("the client gets %q", got)
		}
		w.want(t, "check ours", "check ours", "check \x01\x01answer")
		if a, b := w.path(0).Addr(), w.path(1).Addr(); a != home.addr() || b != away.addr() {
			t.Errorf("they are from %v and %v", a, b)
		}
	})
}

// A client that asks one of our addresses expects an answer from there.
func TestAPathIsOfTheSocketThatWasAsked(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	m, err := Listen(addrs, 0, Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	w, cl := new(witness), newClient(t)
	l := join(t, m, w, "ours")
	for i, at := range m.LocalAddrs() {
		if _, err := cl.WriteToUDPAddrPort(check("ours"), at); err != nil {
			t.Fatal(err)
		}
		w.want(t, []string{"check ours", "check ours"}[:i+1]...)
		p := w.path(i)
		batch := Borrow()
		add(batch, p, []byte("batch"))
		batch.Return()
		p.Write([]byte("alone"))
		for _, want := range []string{"batch", "alone"} {
			if got, from := cl.receiveFrom(); from != at || got != want {
				t.Errorf("the client gets %q from %v, not %v", got, from, at)
			}
		}
		// What was claimed at one socket was not at the other.
		if p.Claim(); m.sockets[i].table.find(cl.addr()) != p.share || i == 0 && m.sockets[1].table.find(cl.addr()) != nil {
			t.Error("not claimed at the socket that was asked")
		}
	}
	if paths := l.Paths(cl.addr()); len(paths) != 2 || paths[0] != w.path(0) || paths[1] != w.path(1) {
		t.Errorf("%d paths, others than those that checks came by", len(paths))
	}
	if paths := l.Paths(netip.MustParseAddrPort("[2001:db8::1]:5000")); len(paths) != 0 {
		t.Errorf("%d paths to another family", len(paths))
	}
}

func TestAPathIsTheSameEachTime(t *testing.T) {
	m, w, cl := newMux(t, Options{}), new(witness), newClient(t)
	l := join(t, m, w, "ours")
	cl.send(m, check("ours"))
	w.want(t, "check ours")
	p := w.path(0)
	if p.Stream() || l.Path() != nil {
		t.Error("UDP is a stream, or media goes where it was not told to")
	}
	for _, written := range []netip.AddrPort{cl.addr(), netip.AddrPortFrom(netip.AddrFrom16(cl.addr().Addr().As16()), cl.addr().Port())} {
		if got := l.Paths(written); len(got) != 1 || got[0] != p {
			t.Errorf("another path to %v", written)
		}
	}
	l.Select(p)
	if l.Path() != p {
		t.Error("it was not selected")
	}
	cl.send(m, []byte("\x16dtls"))
	cl.send(m, []byte("\x01\x01answer"))
	w.want(t, "check ours", "handshake \x16dtls", "check \x01\x01answer")
	if l.Drop(); l.Path() != nil {
		t.Error("media still goes there")
	}
	cl.send(m, check("ours"))
	w.want(t, "check ours", "handshake \x16dtls", "check \x01\x01answer", "check ours")
	if len(w.paths) != 1 {
		t.Errorf("it comes by %d paths", len(w.paths))
	}
}

func TestAnAddressFollowsTheConnectionThatAnswersIt(t *testing.T) {
	m, cl, w1, w2 := newMux(t, Options{}), newClient(t), new(witness), new(witness)
	l1, l2 := join(t, m, w1, "one"), join(t, m, w2, "two")
	reach(t, l1, cl)
	cl.send(m, check("two")) // the same address, after a restart or by chance
	w2.want(t, "check two")
	reach(t, l2, cl)
	l1.Close() // must not take the address from the second
	cl.send(m, []byte("\x80rtp"))
	w2.want(t, "check two", "media \x80rtp")
	w1.want(t)
}

// A client can have us send to any address, of which it says that it is its own.
func TestAnAddressStaysWithTheConnectionWhoseMediaGoesThere(t *testing.T) {
	m, cl, w1, w2 := newMux(t, Options{}), newClient(t), new(witness), new(witness)
	l1, l2 := join(t, m, w1, "one"), join(t, m, w2, "two")
	reach(t, l1, cl)
	try := func(what string, from *Link, to *witness) {
		t.Helper()
		claim(from, cl)
		before := len(to.seen())
		cl.send(m, []byte("\x80rtp"))
		eventually(t, what, func() bool { return len(to.seen()) == before+1 })
	}
	try("it stays with the first", l2, w1)
	l1.Drop() // the first has lost its client
	try("it goes to the second", l2, w2)
	l2.Select(l2.Paths(cl.addr())[0])
	// A check of the client's own says that there is another connection.
	l3 := join(t, m, w1, "three")
	try("it stays with the second", l3, w2)
	before := len(w1.seen())
	newClient(t).send(m, check("three")) // from elsewhere says nothing
	eventually(t, "the check arrives", func() bool { return len(w1.seen()) == before+1 })
	try("it still stays with the second", l3, w2)
	cl.send(m, check("three"))
	eventually(t, "the check arrives", func() bool { return len(w1.seen()) == before+2 })
	try("it goes to the third", l3, w1)
}

func TestOnlyClaimsMakeAnAddressAConnections(t *testing.T) {
	m, cl, w := newMux(t, Options{}), newClient(t), new(witness)
	l := join(t, m, w, "ours")
	cl.send(m, check("ours")) // anybody can send this
	w.want(t, "check ours")
	w.path(0).Write([]byte("hi")) // nor is this a claim
	cl.receive()
	l.Paths(cl.addr())
	cl.send(m, []byte("\x80rtp"))
	cl.send(m, []byte("\x16dtls"))
	cl.send(m, []byte("\x01\x01answer"))
	cl.send(m, check("ours"))
	w.want(t, "check ours", "check ours")
	if m.sockets[0].table.find(cl.addr()) != nil {
		t.Error("it was claimed")
	}
}

func TestWhatIsClosedGetsNothing(t *testing.T) {
	m, cl, w, other := newMux(t, Options{}), newClient(t), new(witness), new(witness)
	l := join(t, m, w, "old", "new")
	join(t, m, other, "other")
	p := reach(t, l, cl)
	l.Close()
	l.Close()
	p.Claim()
	l.Select(p)
	l.Paths(newClient(t).addr())[0].Claim()
	if err := l.Register("newer"); !errors.Is(err, ErrClosed) {
		t.Errorf("register: %v", err)
	}
	for _, b := range []string{"\x80rtp", "\x16dtls", "\x01\x01answer", asked("old"), asked("new"), asked("newer"), asked("other")} {
		cl.send(m, []byte(b))
	}
	other.want(t, "check other")
	w.want(t)
	if l.Path() != nil {
		t.Error("media goes on")
	}
	s := m.sockets[0]
	if s.table.find(cl.addr()) != nil || len(s.ufrags) != 1 || len(p.share.paths) != 0 {
		t.Error("it is still known")
	}
}

func TestANameThatIsUnregisteredIsFreeAndAddressesStay(t *testing.T) {
	m, cl, w1, w2 := newMux(t, Options{}), newClient(t), new(witness), new(witness)
	l1, l2 := join(t, m, w1, "old", "new"), join(t, m, w2)
	reach(t, l1, cl)
	if err := l2.Register("old"); !errors.Is(err, errTaken) {
		t.Errorf("one name for two: %v", err)
	}
	l2.Unregister("old") // is not its own
	cl.send(m, check("old"))
	w1.want(t, "check old")
	l1.Unregister("old")
	cl.send(m, check("old"))
	cl.send(m, check("new"))
	cl.send(m, []byte("\x80rtp"))
	w1.want(t, "check old", "check new", "media \x80rtp")
	if err := l2.Register("old"); err != nil {
		t.Fatal(err)
	}
	l1.Unregister("old")
	cl.send(m, check("old"))
	w2.want(t, "check old")
}

func TestANameThatIsRefusedIsHeldNowhere(t *testing.T) {
	s := listenStreams(nil, nil)
	defer s.Close()
	m, err := Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := new(witness)
	other := linkOf(t, s, w, "taken")
	defer other.Close()
	l := NewLink(m, s, w)
	defer l.Close()
	if err := l.Register("taken"); !errors.Is(err, errTaken) {
		t.Errorf("one name for two: %v", err)
	}
	join(t, m, w, "taken") // is free over UDP
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := NewLink(m, nil, w).Register("late"); !errors.Is(err, ErrClosed) {
		t.Errorf("at closed sockets: %v", err)
	}
}

func TestThePortIsOurs(t *testing.T) {
	m := newMux(t, Options{Readers: 4})
	at := m.LocalAddrs()[0]
	other, err := Listen([]netip.Addr{at.Addr()}, int(at.Port()), Options{Readers: 4})
	if err == nil {
		_ = other.Close()
		t.Fatal("a second server shares the port")
	}
	var wrong *AddrError
	if !errors.As(err, &wrong) || wrong.Addr != at || !strings.Contains(err.Error(), at.String()) {
		t.Errorf("it says %v", err)
	}
}

func TestAMuxOfOneConnectionGathersLittle(t *testing.T) {
	m, cl := newMux(t, Options{Own: true, Readers: 4}), newClient(t)
	var size, marker int
	w := &witness{do: func(b []byte, from *Path, batch *Batch) {
		size, marker = len(batch.arena), batch.marker
	}}
	l := NewLink(nil, nil, w)
	l.Use(m)
	t.Cleanup(l.Close)
	if err := l.Register("ours"); err != nil {
		t.Fatal(err)
	}
	cl.send(m, check("ours"))
	w.want(t, "check ours")
	reach(t, l, cl)
	cl.send(m, []byte("\x80rtp"))
	w.want(t, "check ours", "media \x80rtp")
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(m.sockets[0].members); n != 1 || size != looseSize || marker != -1 {
		t.Errorf("%d readers, %d bytes, marks %d", n, size, marker)
	}
}

func TestConnectionsComeAndGoWhileMediaFlows(t *testing.T) {
	m := newMux(t, Options{Readers: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		cl, name := newClient(t), string(rune('a'+i))
		wg.Go(func() {
			for range 50 {
				w := new(witness)
				l := NewLink(m, nil, w)
				if err := l.Register(name); err != nil {
					t.Error(err)
					return
				}
				cl.send(m, check(name))
				eventually(t, "the check arrives", func() bool { return len(w.seen()) > 0 })
				l.Select(w.path(0))
				cl.send(m, []byte{0x80, byte(i)})
				eventually(t, "media arrives", func() bool { return len(w.seen()) > 1 })
				cl.send(m, []byte{0x80, byte(i)}) // of whoever there is
				l.Close()
			}
		})
	}
	wg.Wait()
}
