package transport

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func newPort(t testing.TB, o Options) (*Port, netip.AddrPort) {
	t.Helper()
	c := newClient(t)
	p, err := NewPort(c.UDPConn, o)
	if err != nil {
		t.Fatal(err)
	}
	return p, c.addr()
}

// wantNext waits until a Port has read so many datagrams, and returns in how many wake-ups.
func wantNext(t testing.TB, p *Port, from netip.AddrPort, want []string) (wakes int) {
	t.Helper()
	_ = p.sock.members[0].SetReadDeadline(time.Now().Add(patience))
	for i := 0; i < len(want); {
		b, sender, ok := p.Next()
		if !ok {
			if wakes++; p.Wait() != nil {
				t.Fatalf("%d of %d datagrams have come", i, len(want))
			}
			continue
		}
		if string(b) != want[i] || sender != from {
			t.Fatalf("datagram %d has %d bytes, from %v; want %d bytes from %v", i, len(b), sender, len(want[i]), from)
		}
		i++
	}
	return wakes
}

func TestAPortReadsWhatAnotherSends(t *testing.T) {
	for sends, o := range modes {
		for receives, other := range modes {
			t.Run(sends+" to "+receives, func(t *testing.T) {
				from, at := newPort(t, o)
				to, dest := newPort(t, other)
				path := from.Path(dest)
				b := BorrowWide()
				var want []string
				for i, n := range []int{1200, 1200, 1200, 1200, 700, 1201, 1200, 30, 30, 30, 31, 4, 900} {
					packet := numbered(i, n)
					add(b, path, packet)
					want = append(want, string(packet))
				}
				b.Return()
				wantNext(t, to, at, want)
				if _, err := from.Write([]byte("alone"), dest); err != nil {
					t.Fatal(err)
				}
				wantNext(t, to, at, []string{"alone"})
			})
		}
	}
}

// More than a batch takes, and than one wake-up brings.
func TestABatchOfAPortTakesAnyNumber(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		from, at := newPort(t, o)
		to, dest := newPort(t, o)
		_ = to.sock.members[0].SetReadBuffer(8 << 20)
		path := from.Path(dest)
		b := BorrowWide()
		var want []string
		for i := range 200 {
			packet := numbered(i, 1000+i%3)
			add(b, path, packet)
			want = append(want, string(packet))
		}
		b.Return()
		wantNext(t, to, at, want)
	})
}

// One batch may have packets of several Ports, to several addresses.
func TestABatchLeavesByThePortsOfItsPaths(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		first, fromFirst := newPort(t, o)
		second, fromSecond := newPort(t, o)
		to, dest := newPort(t, o)
		another, anotherDest := newPort(t, o)
		paths := []*Path{first.Path(dest), second.Path(anotherDest), first.Path(dest)}
		b := BorrowWide()
		for i, p := range []int{0, 0, 1, 1, 0, 1, 2} {
			add(b, paths[p], numbered(i, 100))
		}
		b.Return()
		of := func(numbers ...int) (all []string) {
			for _, i := range numbers {
				all = append(all, string(numbered(i, 100)))
			}
			return all
		}
		wantNext(t, to, fromFirst, of(0, 1, 4, 6))
		wantNext(t, another, fromSecond, of(2, 3, 5))
	})
}

func TestToAnotherFamilyAPortSendsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		from, at := newPort(t, o)
		to, dest := newPort(t, o)
		b := BorrowWide()
		add(b, from.Path(netip.MustParseAddrPort("[2001:db8::1]:9")), numbered(0, 100))
		add(b, from.Path(netip.AddrPortFrom(netip.AddrFrom16(dest.Addr().As16()), dest.Port())), numbered(1, 100))
		b.Return()
		wantNext(t, to, at, []string{string(numbered(1, 100))})
	})
}

// What is sent through a closed one is lost.
func TestCloseEndsTheWaitOfAPort(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		p, _ := newPort(t, o)
		_, dest := newPort(t, o)
		ended := make(chan error)
		go func() { ended <- p.Wait() }()
		if err := p.sock.members[0].Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the wait ended with %v", err)
		}
		if _, _, ok := p.Next(); ok {
			t.Error("there is something to read")
		}
		b := BorrowWide()
		add(b, p.Path(dest), numbered(0, 100))
		b.Return()
	})
}
