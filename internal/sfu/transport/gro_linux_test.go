package transport

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// newSleeper returns a Mux of one socket that reads nothing before it is started.
func newSleeper(t *testing.T, o Options) (m *Mux, s *socket) {
	t.Helper()
	o.Readers = 1
	s, err := newSocket(netip.MustParseAddrPort("127.0.0.1:0"), o)
	if err != nil {
		t.Fatal(err)
	}
	m = &Mux{sockets: []*socket{s}}
	t.Cleanup(func() { _ = m.Close() })
	return m, s
}

// toward is the way from a link of one Mux to the address of another.
func toward(t *testing.T, from, to *Mux, ufrag string) *Path {
	t.Helper()
	p := join(t, from, new(witness), ufrag).Paths(to.LocalAddrs()[0])[0]
	p.Claim()
	return p
}

// A train that a server or a client sends is received as what it is made of, however
// either side moves datagrams.
func TestATrainIsReceivedDatagramByDatagram(t *testing.T) {
	for sends, from := range modes {
		for receives, to := range modes {
			t.Run(sends+" to "+receives, func(t *testing.T) {
				a, b := newMux(t, from), newMux(t, to)
				w := new(witness)
				l := join(t, b, w, "theirs")
				l.Paths(a.LocalAddrs()[0])[0].Claim()
				p := toward(t, a, b, "ours")
				batch := Borrow()
				var want []string
				for i, n := range []int{1000, 1000, 1000, 1000, 400, 1200, 1200, 30, 1} {
					packet := numbered(i, max(n, 4))
					add(batch, p, packet)
					want = append(want, "media "+string(packet))
				}
				batch.Return()
				w.want(t, want...)
			})
		}
	}
}

// The kernel hands a train over as one, or the test above says nothing of trains.
func TestATrainIsReadAtOnce(t *testing.T) {
	a := newMux(t, Options{Readers: 1})
	b, s := newSleeper(t, Options{})
	if !a.sockets[0].trains() || !s.sys.coalesce {
		t.Fatal("no trains on this kernel")
	}
	p := toward(t, a, b, "ours")
	batch := Borrow()
	for i := range 5 {
		add(batch, p, numbered(i, []int{1000, 1000, 1000, 1000, 400}[i]))
	}
	batch.Return()
	in := newInbox(s.sys.raws[0], readRoom, maxReads)
	n, err := in.read(true)
	if err != nil {
		t.Fatal(err)
	}
	if got, segment := in.datagram(0); n != 1 || len(got) != 4400 || segment != 1000 {
		t.Errorf("%d are read, the first has %d bytes in parts of %d", n, len(got), segment)
	}
}

// A kernel without UDP_GRO takes trains apart.
func TestASocketThatDoesNotCoalesceReadsTrains(t *testing.T) {
	a := newMux(t, Options{Readers: 1})
	b, s := newSleeper(t, Options{})
	if err := setInt(s.sys.raws[0], unix.SOL_UDP, unix.UDP_GRO, 0); err != nil {
		t.Fatal(err)
	}
	s.sys.coalesce = false
	w := new(witness)
	join(t, b, w, "theirs").Paths(a.LocalAddrs()[0])[0].Claim()
	s.start(0, Options{})
	p := toward(t, a, b, "ours")
	batch := Borrow()
	var want []string
	for i := range 40 {
		packet := numbered(i, 1400)
		add(batch, p, packet)
		want = append(want, "media "+string(packet))
	}
	batch.Return()
	w.want(t, want...)
}

// Trains are given up at once where the device cannot send them, and not for a packet that
// is refused for another reason.
func TestADeviceThatTakesNoTrainsIsSentNone(t *testing.T) {
	for _, tt := range []struct {
		errno unix.Errno
		want  bool // trains are sent afterwards
	}{{unix.EIO, false}, {unix.EOPNOTSUPP, false}, {unix.EINVAL, true}, {unix.EPERM, true}, {unix.ENETUNREACH, true}} {
		t.Run(tt.errno.Error(), func(t *testing.T) {
			m, cl := newMux(t, Options{Readers: 1}), newClient(t)
			s := m.sockets[0]
			p := reach(t, join(t, m, new(witness), "u"), cl)
			b := newBatch(0, 0, arenaSize)
			fill := func() {
				for i := range 20 {
					add(b, p, numbered(i, 100))
				}
			}
			want := func() {
				t.Helper()
				for i := range 20 {
					if got := cl.receive(); got != string(numbered(i, 100)) {
						t.Fatalf("packet %d is %.10q", i, got)
					}
				}
			}
			fill()
			o := &b.out
			o.add(b, p, 0, 20)
			o.batch, o.sock = b, s
			err := s.sys.raws[0].Control(func(fd uintptr) {
				if !o.refused(fd, tt.errno) {
					t.Error("it waits")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			o.reset()
			b.chains = b.chains[:0]
			b.Flush()
			want()
			longest := 1
			if tt.want {
				longest = maxTrain
			}
			if got := b.longest(p); s.trains() != tt.want || got != longest {
				t.Errorf("trains %v, of %d packets", s.trains(), got)
			}
			fill()
			b.Flush()
			want()
		})
	}
}

// What has arrived by the time that a reader wakes up is one wake-up: nothing of what
// follows from it is sent before the last of it was handled.
func TestPacketsOfAWakeUpGoOutTogether(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			m, s := newSleeper(t, o)
			from, to := newClient(t), newClient(t)
			out := reach(t, join(t, m, new(witness), "out"), to)
			const packets = maxReads + 18 // more than are read at once
			var waits []string
			w := &witness{do: func(b []byte, _ *Path, batch *Batch) {
				add(batch, out, b)
				waits = append(waits, fmt.Sprint(len(batch.entries), " in round ", batch.round))
			}}
			reach(t, join(t, m, w, "in"), from)
			for i := range packets {
				from.send(m, numbered(i, 400))
			}
			s.start(0, o)
			for i := range packets {
				if got := to.receive(); got != string(numbered(i, 400)) {
					t.Fatalf("packet %d is %.10q", i, got)
				}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for i, got := range waits {
				if want := fmt.Sprint(i+1, " in round 1"); got != want {
					t.Fatalf("packet %d of %d: %s wait, want %s", i, packets, got, want)
				}
			}
		})
	}
}
