package transport

import (
	"fmt"
	"net/netip"
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
			paths = append(paths, reach(t, join(t, m, new(witness), fmt.Sprint("u", i)), cl))
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
			add(b, reach(t, join(t, m, new(witness), fmt.Sprint("u", i)), cl), numbered(i, 50))
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

func TestAPacketThatDoesNotFitIsStillSent(t *testing.T) {
	m, cl := newMux(t, Options{}), newClient(t)
	p := reach(t, join(t, m, new(witness), "u"), cl)
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
		paths = append(paths, reach(t, join(t, m, new(witness), fmt.Sprint("u", i)), cl))
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

// What is sent to clients with sockets of their own goes out as it does to others.
func TestPathsOfSeveralMuxesAreInOneBatch(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		alone := o
		alone.Own = true
		var clients []client
		var paths []*Path
		shared := newMux(t, o)
		for i, m := range []*Mux{newMux(t, alone), shared, newMux(t, alone), shared, newMux(t, alone)} {
			cl := newClient(t)
			clients = append(clients, cl)
			paths = append(paths, reach(t, join(t, m, new(witness), fmt.Sprint("u", i)), cl))
		}
		fill := func(b *Batch) {
			for i := range 40 {
				for _, p := range paths {
					add(b, p, numbered(i, []int{300, 300, 20}[i%3]))
				}
			}
		}
		// By a reader of the shared socket, by one of a client's own, and by everybody else.
		for _, reader := range []*Batch{newBatch(0, 0, arenaSize), newBatch(0, maxMarks, looseSize)} {
			fill(reader)
			reader.Flush()
		}
		b := Borrow()
		fill(b)
		b.Return()
		for n, cl := range clients {
			for i := range 3 * 40 {
				want := string(numbered(i%40, []int{300, 300, 20}[i%40%3]))
				if got, from := cl.receiveFrom(); got != want || from != paths[n].share.sock.addr {
					t.Fatalf("client %d: packet %d is %.10q of %d bytes, from %v", n, i, got, len(got), from)
				}
			}
		}
	})
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
	one := reach(t, join(t, m, new(witness), "one"), first)
	two := reach(t, join(t, m, new(witness), "two"), second)

	// While one reader gathers for both, another one sends to the second.
	begunc, donec := make(chan struct{}), make(chan struct{})
	gather := func(_ []byte, _ *Path, b *Batch) {
		add(b, one, numbered(1, 20))
		add(b, two, numbered(2, 20))
		close(begunc)
		<-donec
		add(b, two, numbered(3, 20))
	}
	meanwhile := func(_ []byte, _ *Path, b *Batch) {
		<-begunc
		add(b, two, numbered(4, 20))
		close(donec)
	}
	for i, do := range []func([]byte, *Path, *Batch){gather, meanwhile} {
		cl := newClient(t)
		join(t, m, &witness{do: do}, fmt.Sprint("sender", i)).Paths(cl.addr())[i].Claim()
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
