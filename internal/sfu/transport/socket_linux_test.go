package transport

import "testing"

// The kernel refuses a train of more than 128 packets as it would refuse one
// that a link cannot carry.
func TestARefusedTrainIsSentPacketByPacket(t *testing.T) {
	m, cl := newMux(t, Options{Readers: 1}), newClient(t)
	s := m.sockets[0]
	if !s.trains() {
		t.Fatal("no trains on this kernel")
	}
	p := reach(t, join(t, m, new(witness), "u"), cl)
	const packets = 200
	b := newBatch(0, 0, arenaSize)
	for try := range maxRefusals {
		for i := range packets {
			add(b, p, numbered(i, 100))
		}
		b.out.add(b, p, 0, packets)
		s.send(b)
		b.chains = b.chains[:0]
		b.Flush()
		for i := range packets {
			if got := cl.receive(); got != string(numbered(i, 100)) {
				t.Fatalf("packet %d is %.10q", i, got)
			}
		}
		if want := try < maxRefusals-1; s.trains() != want {
			t.Fatalf("after %d refusals: trains %v", try+1, s.trains())
		}
	}
}

func TestEveryReaderTakesItsClients(t *testing.T) {
	m := newMux(t, Options{Readers: 4})
	if n := len(m.sockets[0].members); n != 4 {
		t.Fatalf("%d readers", n)
	}
	w := new(witness)
	l := join(t, m, w, "u")
	const clients = 64
	for i := range clients {
		cl := newClient(t)
		claim(l, cl)
		cl.send(m, numbered(i, 10))
	}
	eventually(t, "everybody is heard", func() bool { return len(w.seen()) == clients })
}
