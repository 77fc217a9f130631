package transport

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

func add(b *Batch, p *Path, payload []byte) {
	copy(b.Reserve(len(payload)+20), payload)
	b.Add(p, len(payload))
}

func TestABatchKeepsTheOrderOfEachDestination(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m := newMux(t, o)
		var clients []client
		var paths []*Path
		for i := range 5 {
			cl := newClient(t)
			clients = append(clients, cl)
			paths = append(paths, reach(t, share(t, m, NewLink(m, new(catcher)), fmt.Sprint("u", i)), cl))
		}
		sizes := []int{1200, 1200, 1200, 700, 1201, 1200, 30, 30, 30, 31, 1, 900}
		fill := func(b *Batch) {
			for i := range 120 {
				for _, p := range paths {
					add(b, p, numbered(i, max(8, sizes[i%len(sizes)])))
				}
			}
		}
		// As a reader does it, also one of another address with more of them, or one of
		// too many; and as everybody else.
		for _, own := range []*Batch{newBatch(0, 0, arenaSize), newBatch(7, 7, arenaSize), newBatch(0, maxMarks, arenaSize)} {
			fill(own)
			own.Flush()
		}
		b := Borrow()
		fill(b)
		b.Return()
		for _, cl := range clients {
			for i := range 480 {
				want := string(numbered(i%120, max(8, sizes[i%len(sizes)])))
				if got := cl.receive(); got != want {
					t.Fatalf("packet %d has %d bytes %.10q, want %d bytes %.10q", i, len(got), got, len(want), want)
				}
			}
		}
	})
}

// Who is no reader gathers for so many, and more follow.
func TestABorrowedBatchReachesAnyNumber(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m := newMux(t, o)
		var clients []client
		b := Borrow()
		for i := range 2*looseChains + 3 {
			cl := newClient(t)
			clients = append(clients, cl)
			add(b, reach(t, share(t, m, NewLink(m, new(catcher)), fmt.Sprint("u", i)), cl), numbered(i, 50))
			if want := i%looseChains + 1; len(b.chains) != want {
				t.Fatalf("%d destinations wait, want %d", len(b.chains), want)
			}
		}
		b.Return()
		for i, cl := range clients {
			if got, want := cl.receive(), string(numbered(i, 50)); got != want {
				t.Errorf("client %d got %q", i, got)
			}
		}
	})
}

func TestPacketsThatFollowFromAWakeUpGoOutWithIt(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m, from, to := newMux(t, o), newClient(t), newClient(t)
		out := reach(t, share(t, m, NewLink(m, new(catcher)), "out"), to)
		h := &catcher{do: func(b []byte, batch *Batch) { add(batch, out, b) }}
		reach(t, share(t, m, NewLink(m, h), "in"), from)
		for i := range 50 {
			from.send(m, numbered(i, 400))
		}
		for i := range 50 {
			if got := to.receive(); got != string(numbered(i, 400)) {
				t.Fatalf("packet %d is %.10q", i, got)
			}
		}
	})
}

func TestAPacketThatDoesNotFitIsStillSent(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	p := reach(t, share(t, m, NewLink(m, new(catcher)), "u"), cl)
	b := Borrow()
	add(b, p, numbered(0, 3000))
	add(b, p, numbered(1, 9000))
	add(b, p, numbered(2, 60000))
	b.Return()
	for i, n := range []int{3000, 9000, 60000} {
		if got := cl.receive(); got != string(numbered(i, n)) {
			t.Fatalf("packet %d has %d bytes", i, len(got))
		}
	}
}

func TestBatchesAllocateNothing(t *testing.T) {
	m := newMux(t, Options{Readers: 1})
	var paths []*Path
	for i := range 20 {
		cl := newClient(t)
		paths = append(paths, reach(t, share(t, m, NewLink(m, new(catcher)), fmt.Sprint("u", i)), cl))
	}
	b := newBatch(0, 0, arenaSize)
	payload := numbered(1, 1200)
	sealer, err := srtp.NewSealer(testKeys(srtp.AEADAES128GCM))
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		for i := range 5 {
			for _, p := range paths {
				copy(b.Reserve(1300), payload)
				if i == 4 {
					b.Add(p, 1200)
				} else {
					b.AddRTP(p, sealer, 1200+i/2, 12, uint64(i))
				}
			}
		}
		b.Flush()
	}
	round()
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func TestAdoptedSocketsSendAndReceiveToo(t *testing.T) {
	inner, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cl, h := newClient(t), new(catcher)
	l := NewLink(nil, h)
	c := l.Adopt(inner, true)
	if _, err := c.WriteTo([]byte{1}, net.UDPAddrFromAddrPort(cl.addr())); err != nil {
		t.Fatal(err)
	}
	if got := cl.receive(); got != "\x01" {
		t.Fatalf("client has got %q", got)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 100)
		n, _, err := c.ReadFrom(b)
		if err != nil || string(b[:n]) != "\x16dtls" {
			t.Errorf("agent has read %q, %v", b[:n], err)
		}
	})
	for _, b := range []string{"\x80media", "\x16dtls"} {
		if _, err := cl.WriteTo([]byte(b), inner.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if h.count() != 1 || h.got[0] != "\x80media" {
		t.Errorf("handler has got %q", h.got)
	}
	if l.Select(cl.addr(), false) {
		t.Error("found by UDP")
	}
	if !l.Select(cl.addr(), true) {
		t.Fatal("not found")
	}
	b := Borrow()
	add(b, l.Path(), numbered(7, 100))
	b.Return()
	if got := cl.receive(); got != string(numbered(7, 100)) {
		t.Errorf("client has got %q", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Each address has readers of its own, and a client is sent to by those of all.
func TestReadersOfTwoAddressesSendToOneClient(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	m, err := Listen(addrs, 0, Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	first, second := newClient(t), newClient(t)
	one := reach(t, share(t, m, NewLink(m, new(catcher)), "one"), first)
	two := reach(t, share(t, m, NewLink(m, new(catcher)), "two"), second)

	// While one reader gathers for both, another one sends to the second.
	begunc, donec := make(chan struct{}), make(chan struct{})
	gather := func(_ []byte, b *Batch) {
		add(b, one, numbered(1, 20))
		add(b, two, numbered(2, 20))
		close(begunc)
		<-donec
		add(b, two, numbered(3, 20))
	}
	meanwhile := func(_ []byte, b *Batch) {
		<-begunc
		add(b, two, numbered(4, 20))
		close(donec)
	}
	for i, do := range []func([]byte, *Batch){gather, meanwhile} {
		cl, l := newClient(t), NewLink(m, &catcher{do: do})
		c, err := l.GetConn(fmt.Sprint("sender", i), l.GetListenAddresses()[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.(*Conn).WriteToAddrPort([]byte{1}, cl.addr()); err != nil {
			t.Fatal(err)
		}
		if _, err := cl.WriteToUDPAddrPort(numbered(0, 20), m.LocalAddrs()[i]); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	for range 3 {
		got[second.receive()] = true
	}
	for _, i := range []int{2, 3, 4} {
		if !got[string(numbered(i, 20))] {
			t.Errorf("packet %d went elsewhere", i)
		}
	}
	if got := first.receive(); got != string(numbered(1, 20)) {
		t.Errorf("the other client has %.20q", got)
	}
}
