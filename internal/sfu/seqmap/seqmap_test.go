package seqmap

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestExtenderFollowsWraps(t *testing.T) {
	var e Extender
	rng := rand.New(rand.NewPCG(1, 2))
	truth := uint64(1<<16 | 65000)
	e.Extend(uint16(truth))
	for range 200_000 {
		// Mostly forward, some reordering.
		next := truth + uint64(rng.IntN(50))
		if rng.IntN(4) == 0 {
			next = truth - uint64(rng.IntN(1000))
		}
		if got := e.Extend(uint16(next)); got != next {
			t.Fatalf("extended %d to %d, want %d", uint16(next), got, next)
		}
		truth = max(truth, next)
	}
	if e.Highest() != truth {
		t.Fatalf("highest %d, want %d", e.Highest(), truth)
	}
}

func TestExtenderTakesPacketsOlderThanTheFirst(t *testing.T) {
	var e Extender
	first := e.Extend(3)
	if got := e.Extend(65530); got != first-9 {
		t.Fatalf("older packet is %d, want %d", got, first-9)
	}
}

func TestRestartIsAboveEverythingBefore(t *testing.T) {
	var e Extender
	for _, seq := range []uint16{0, 65535, 1, 40000, 7} {
		before := e.Highest()
		if got := e.Restart(seq); got <= before+1<<15 || uint16(got) != seq {
			t.Fatalf("restart at %d after %d gives %d", seq, before, got)
		}
	}
}

func TestMapClosesHolesOfDroppedPacketsOnly(t *testing.T) {
	var m Map
	if _, ok := m.Forward(5); ok {
		t.Fatal("mapped before the start")
	}
	m.Start(100, 5000)
	steps := []struct {
		drop bool
		up   uint64
		want uint64 // 0: not ok
	}{
		{false, 100, 5000},
		{false, 99, 0},
		{false, 101, 5001},
		{true, 102, 1},
		{true, 103, 1},
		{false, 104, 5002},
		{false, 106, 5004}, // 105 is lost
		{true, 107, 1},
		{false, 108, 5005},
		{false, 105, 5003}, // and comes late
		{false, 103, 0},    // dropped before
		{true, 105, 0},     // too late to drop
		{false, 101, 5001}, // duplicate
		{true, 110, 1},     // 109 is lost
		{false, 109, 5006},
		{false, 111, 5007},
	}
	for _, s := range steps {
		if s.drop {
			if got := m.Drop(s.up); got != (s.want == 1) {
				t.Fatalf("Drop(%d) = %v", s.up, got)
			}
			continue
		}
		got, ok := m.Forward(s.up)
		if ok != (s.want != 0) || got != s.want {
			t.Fatalf("Forward(%d) = %d, %v, want %d", s.up, got, ok, s.want)
		}
	}
}

// Whatever is dropped and however the rest is reordered, numbers are unique,
// ordered as their origins, and without a hole once all packets have come.
func TestMapIsABijectionUnderReordering(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		start := uint64(1<<16 | rng.IntN(1<<16))
		var m Map
		m.Start(start, 70000)
		const n = 400
		order := make([]uint64, n)
		for i := range order {
			order[i] = start + uint64(i)
		}
		for i := 1; i < n; i++ { // local reordering
			if rng.IntN(5) == 0 {
				j := max(1, i-rng.IntN(10))
				order[i], order[j] = order[j], order[i]
			}
		}
		padding := make(map[uint64]bool)
		for run := 0; run < 10; run++ {
			at := start + 1 + uint64(rng.IntN(n-1))
			for i := range uint64(rng.IntN(5)) {
				padding[at+i] = true
			}
		}
		downs := make(map[uint64]uint64)
		for _, up := range order {
			if padding[up] && m.Drop(up) {
				continue
			}
			down, ok := m.Forward(up)
			if !ok {
				t.Fatalf("seed %d: %d not mapped", seed, up)
			}
			downs[down] = up
		}
		prev := uint64(0)
		for i := range uint64(len(downs)) {
			up, ok := downs[70000+i]
			if !ok {
				t.Fatalf("seed %d: hole at %d of %d", seed, i, len(downs))
			}
			if up <= prev {
				t.Fatalf("seed %d: %d after %d", seed, up, prev)
			}
			prev = up
		}
	}
}

func TestMapForgetsTheOldestSpans(t *testing.T) {
	var m Map
	m.Start(1000, 1000)
	up := uint64(1000)
	for range 3 * spans {
		m.Forward(up)
		m.Drop(up + 1)
		up += 2
	}
	if _, ok := m.Forward(1000); ok {
		t.Fatal("a packet from before the remembered spans was mapped")
	}
	if down, ok := m.Forward(up); !ok || down != 1000+3*spans {
		t.Fatalf("next is %d, %v", down, ok)
	}
}

func TestHistoryFindsOnlyWhatItHolds(t *testing.T) {
	h := NewHistory(100) // 128
	for i := range 300 {
		h.Put(uint16(65400+i), uint32(i), uint8(i), uint8(i*3))
	}
	for i := range 300 {
		up, tag, note, ok := h.Lookup(uint16(65400 + i))
		if ok != (i >= 300-128) {
			t.Fatalf("packet %d found: %v", i, ok)
		}
		if ok && (up != uint32(i) || tag != uint8(i) || note != uint8(i*3)&NoteMask) {
			t.Fatalf("packet %d is %d tag %d note %d", i, up, tag, note)
		}
	}
}

func TestResendIsPacedPerPacket(t *testing.T) {
	h := NewHistory(16)
	h.Put(7, 1, 0, 0)
	const rtt = 100 * time.Millisecond
	for _, s := range []struct {
		seq  uint16
		at   time.Duration
		want bool
	}{
		{7, 0, true}, {7, 50 * time.Millisecond, false}, {8, 50 * time.Millisecond, true},
		{7, 101 * time.Millisecond, true}, {7, 150 * time.Millisecond, false},
	} {
		if got := h.Resend(s.seq, s.at, rtt); got != s.want {
			t.Fatalf("resend of %d at %v: %v", s.seq, s.at, got)
		}
	}
	h.Put(7+16, 2, 0, 0)
	if !h.Resend(7+16, 150*time.Millisecond, rtt) {
		t.Fatal("a new packet inherited the pace of the one it replaced")
	}
}

// Receivers ask ten times at most. Who asks for ever, and says that it is near, would have
// a thousand packets each few milliseconds for one of its own.
func TestResendsOfAPacketAreBounded(t *testing.T) {
	h := NewHistory(16)
	times := func(seq uint16, from time.Duration) (n int) {
		for i := range 400 {
			if h.Resend(seq, from+time.Duration(i)*10*time.Millisecond, 10*time.Millisecond) {
				n++
			}
		}
		return n
	}
	if n := times(7, 0); n != MaxResends {
		t.Errorf("a packet may be sent %d times more, want %d", n, MaxResends)
	}
	if n := times(7, time.Minute); n != MaxResends {
		t.Errorf("the next one of that number may be sent %d times more, want %d", n, MaxResends)
	}
	if n := times(7+16, time.Minute); n != MaxResends {
		t.Errorf("one in the same place may be sent %d times more, want %d", n, MaxResends)
	}
}

func TestHistoryIsReadWhileWritten(t *testing.T) {
	h := NewHistory(64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 20_000 {
			h.Put(uint16(i), uint32(uint16(i))*3, uint8(i), uint8(i))
		}
	})
	for i := range 20_000 {
		if up, tag, note, ok := h.Lookup(uint16(i)); ok && (up != uint32(uint16(i))*3 || tag != uint8(i) || note != uint8(i)&NoteMask) {
			t.Errorf("torn entry %d: %d %d", i, up, tag)
		}
		h.Resend(uint16(i), time.Second, 0)
	}
	wg.Wait()
}
