package packetcache

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Options size a Cache. The zero value suits video.
type Options struct {
	// PacketSize is the room reserved for a packet; larger ones get their own.
	PacketSize int // default 1280
	Min, Max   int // packets, rounded up to powers of two; default 32 and 1024
	// Window is how long packets should be kept if Max allows.
	Window time.Duration // default 1s
}

// Cache is a ring of packets by sequence number.
type Cache struct {
	opts  Options               // immutable
	table atomic.Pointer[table] // replaced by the writer
	begun time.Time             // writer only; when the first packet came
}

// table is immutable; its slots are shared with the table it replaced.
type table struct {
	mask  uint64
	slots []*slot
}

type slot struct {
	mu      sync.Mutex
	seq     uint64 // mu; the writer reads it without. 0 = empty
	arrived int64  // writer only; nanoseconds after the first packet of the cache
	n       int    // mu
	buf     []byte // mu
}

// New returns an empty cache.
func New(opts Options) *Cache {
	if opts.PacketSize <= 0 {
		opts.PacketSize = 1280
	}
	if opts.Min <= 0 {
		opts.Min = 32
	}
	if opts.Max <= 0 {
		opts.Max = 1024
	}
	opts.Min = ceilPow2(opts.Min)
	opts.Max = max(ceilPow2(opts.Max), opts.Min)
	if opts.Window <= 0 {
		opts.Window = time.Second
	}
	c := &Cache{opts: opts}
	c.table.Store(&table{mask: uint64(opts.Min - 1), slots: c.chunk(opts.Min)})
	return c
}

// Put copies a packet in. It reports false, and does nothing, if the packet
// is there already or is older than what its place holds. seq must not be 0.
func (c *Cache) Put(seq uint64, packet []byte, now time.Time) bool {
	t := c.table.Load()
	s := t.slots[seq&t.mask]
	if s.seq >= seq {
		return false
	}
	if c.begun.IsZero() {
		c.begun = now
	}
	at := int64(now.Sub(c.begun))
	for s.seq != 0 && len(t.slots) < c.opts.Max && at-s.arrived < int64(c.opts.Window) {
		t = c.grow(t)
		s = t.slots[seq&t.mask]
		if s.seq >= seq {
			return false
		}
	}
	s.mu.Lock()
	if len(packet) > len(s.buf) {
		s.buf = make([]byte, (len(packet)+255)&^255)
	}
	s.n = copy(s.buf, packet)
	s.seq = seq
	s.mu.Unlock()
	s.arrived = at
	return true
}

// Has reports whether a packet is held. Only the writer may call it.
func (c *Cache) Has(seq uint64) bool {
	t := c.table.Load()
	return t.slots[seq&t.mask].seq == seq
}

// Read copies a packet to buf. It is not ok if the packet is not held or buf
// is too small.
func (c *Cache) Read(seq uint64, buf []byte) (n int, ok bool) {
	t := c.table.Load()
	s := t.slots[seq&t.mask]
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq == 0 || s.seq != seq || s.n > len(buf) {
		return 0, false
	}
	return copy(buf, s.buf[:s.n]), true
}

// Len returns how many packets there is room for.
func (c *Cache) Len() int { return len(c.table.Load().slots) }

// grow doubles the table. Two packets that had different places keep
// different places under the wider mask.
func (c *Cache) grow(old *table) *table {
	n := 2 * len(old.slots)
	t := &table{mask: uint64(n - 1), slots: make([]*slot, n)}
	for _, s := range old.slots {
		if s.seq != 0 {
			t.slots[s.seq&t.mask] = s
		}
	}
	fresh := c.chunk(n - len(old.slots))
	for _, s := range old.slots {
		if s.seq == 0 {
			fresh = append(fresh, s)
		}
	}
	for i, s := range t.slots {
		if s == nil {
			t.slots[i] = fresh[0]
			fresh = fresh[1:]
		}
	}
	c.table.Store(t)
	return t
}

// chunk makes n slots over one buffer.
func (c *Cache) chunk(n int) []*slot {
	slots := make([]slot, n)
	buf := make([]byte, n*c.opts.PacketSize)
	ptrs := make([]*slot, n)
	for i := range slots {
		slots[i].buf = buf[:c.opts.PacketSize:c.opts.PacketSize]
		buf = buf[c.opts.PacketSize:]
		ptrs[i] = &slots[i]
	}
	return ptrs
}

func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
