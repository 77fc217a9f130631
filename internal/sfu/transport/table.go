package transport

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
)

// shards keeps the copies small that a change makes.
const shards = 256

// table finds the connection of an address. Looking up takes no lock.
type table struct {
	shards [shards]atomic.Pointer[map[netip.AddrPort]*Conn] // the maps are immutable
	mu     sync.Mutex                                       // serializes changes
}

func (t *table) shard(a netip.AddrPort) *atomic.Pointer[map[netip.AddrPort]*Conn] {
	b := a.Addr().As16()
	return &t.shards[uint8(a.Port())^uint8(a.Port()>>8)^b[15]^b[13]]
}

func (t *table) find(a netip.AddrPort) *Conn {
	m := t.shard(a).Load()
	if m == nil {
		return nil
	}
	return (*m)[a]
}

func (t *table) set(a netip.AddrPort, c *Conn) {
	t.change(a, func(m map[netip.AddrPort]*Conn) { m[a] = c })
}

// remove removes an address that is still c's.
func (t *table) remove(a netip.AddrPort, c *Conn) {
	t.change(a, func(m map[netip.AddrPort]*Conn) {
		if m[a] == c {
			delete(m, a)
		}
	})
}

func (t *table) change(a netip.AddrPort, f func(map[netip.AddrPort]*Conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.shard(a)
	m := map[netip.AddrPort]*Conn{}
	if old := at.Load(); old != nil {
		m = maps.Clone(*old)
	}
	f(m)
	at.Store(&m)
}
