package packetcache

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// packet makes a packet whose content tells its number everywhere.
func packet(seq uint64, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.BigEndian.PutUint64(b[i:], seq)
	}
	return b
}

func wantHeld(t *testing.T, c *Cache, seq uint64, size int, held bool) {
	t.Helper()
	buf := make([]byte, 2048)
	n, ok := c.Read(seq, buf)
	if ok != held {
		t.Fatalf("packet %d held: %v, want %v", seq, ok, held)
	}
	if held && !bytes.Equal(buf[:n], packet(seq, size)) {
		t.Fatalf("packet %d came back as another", seq)
	}
}

func TestCacheGrowsUntilItHoldsTheWindow(t *testing.T) {
	c := New(Options{Min: 4, Max: 64, Window: time.Second})
	now := time.Unix(100, 0)
	for seq := uint64(1000); seq < 1040; seq++ {
		if !c.Put(seq, packet(seq, 100), now) {
			t.Fatalf("put %d", seq)
		}
		now = now.Add(50 * time.Millisecond) // 20 a window
	}
	if c.Len() != 32 {
		t.Fatalf("room for %d packets, want 32", c.Len())
	}
	for seq := uint64(1020); seq < 1040; seq++ {
		wantHeld(t, c, seq, 100, true)
	}
	wantHeld(t, c, 1000, 100, false)
}

func TestCacheStaysWithinMax(t *testing.T) {
	c := New(Options{Min: 4, Max: 16})
	now := time.Unix(100, 0)
	for seq := uint64(1); seq <= 1000; seq++ {
		c.Put(seq, packet(seq, 64), now)
	}
	if c.Len() != 16 {
		t.Fatalf("room for %d packets", c.Len())
	}
	for seq := uint64(985); seq <= 1000; seq++ {
		wantHeld(t, c, seq, 64, true)
	}
	wantHeld(t, c, 984, 64, false)
}

func TestDuplicatesAndStragglersAreRefused(t *testing.T) {
	c := New(Options{Min: 4, Max: 4})
	now := time.Unix(100, 0)
	for _, s := range []struct {
		seq  uint64
		want bool
	}{{10, true}, {10, false}, {12, true}, {11, true}, {6, false}, {14, true}, {10, false}} {
		if got := c.Put(s.seq, packet(s.seq, 16), now); got != s.want {
			t.Fatalf("put %d: %v", s.seq, got)
		}
	}
	if !c.Has(14) || c.Has(10) {
		t.Fatal("Has is wrong")
	}
}

func TestLargePacketsAndSmallBuffers(t *testing.T) {
	c := New(Options{PacketSize: 32})
	c.Put(1, packet(1, 1504), time.Unix(1, 0))
	wantHeld(t, c, 1, 1504, true)
	if _, ok := c.Read(1, make([]byte, 100)); ok {
		t.Fatal("read into a buffer that is too small")
	}
	if _, ok := c.Read(0, make([]byte, 100)); ok {
		t.Fatal("read packet 0")
	}
}

func TestReadersNeverSeeAMixedPacket(t *testing.T) {
	c := New(Options{Min: 8, Max: 64, PacketSize: 256})
	var highest atomic.Uint64
	var wg sync.WaitGroup
	donec := make(chan struct{})
	for i := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			buf := make([]byte, 512)
			for {
				select {
				case <-donec:
					return
				default:
				}
				seq := highest.Load() - uint64(rng.IntN(80))
				if n, ok := c.Read(seq, buf); ok && !bytes.Equal(buf[:n], packet(seq, n)) {
					t.Errorf("packet %d is mixed", seq)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(9, 9))
	now := time.Unix(100, 0)
	for seq := uint64(1 << 16); seq < 1<<16+20_000; seq++ {
		c.Put(seq, packet(seq, 8+8*rng.IntN(40)), now)
		highest.Store(seq)
	}
	close(donec)
	wg.Wait()
}

func TestPutAllocatesNothing(t *testing.T) {
	c := New(Options{Min: 64, Max: 64})
	p := packet(1, 1200)
	seq, now := uint64(1), time.Unix(1, 0)
	if n := testing.AllocsPerRun(1000, func() { c.Put(seq, p, now); seq++ }); n != 0 {
		t.Fatalf("%v allocations a packet", n)
	}
}

func BenchmarkPut(b *testing.B) {
	c := New(Options{Min: 512, Max: 512})
	p := packet(1, 1200)
	now := time.Unix(1, 0)
	b.ReportAllocs()
	for i := range b.N {
		c.Put(uint64(i+1), p, now)
	}
}
