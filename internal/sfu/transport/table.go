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
	shards [shards]atomic.Pointer[map[netip.AddrPort]*share] // the maps are immutable
	mu     sync.Mutex                                        // serializes changes
}

func (t *table) shard(a netip.AddrPort) *atomic.Pointer[map[netip.AddrPort]*share] {
	b := a.Addr().As16()
	return &t.shards[uint8(a.Port())^uint8(a.Port()>>8)^b[15]^b[13]]
}

func (t *table) find(a netip.AddrPort) *share {
	m := t.shard(a).Load()
	if m == nil {
		return nil
	}
	return (*m)[a]
}

func (t *table) set(a netip.AddrPort, own *share) {
	t.change(a, func(m map[netip.AddrPort]*share) { m[a] = own })
}

// remove removes an address that is still own's.
func (t *table) remove(a netip.AddrPort, own *share) {
	t.change(a, func(m map[netip.AddrPort]*share) {
		if m[a] == own {
			delete(m, a)
		}
	})
}

func (t *table) change(a netip.AddrPort, f func(map[netip.AddrPort]*share)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.shard(a)
	m := map[netip.AddrPort]*share{}
	if old := at.Load(); old != nil {
		m = maps.Clone(*old)
	}
	f(m)
	at.Store(&m)
}
