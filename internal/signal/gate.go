package signal

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// gate admits clients by how many come from where.
type gate struct {
	limits    Limits // immutable
	byKey     *rate.Keyed[string]
	byAddress *rate.Keyed[netip.Addr]

	mu   sync.Mutex
	open map[netip.Addr]int // mu guards; signal connections by site
}

func newGate(l Limits) *gate {
	return &gate{
		limits:    l,
		byKey:     rate.NewKeyed[string](float64(l.JoinsPerKey), joinBurst*float64(l.JoinsPerKey)),
		byAddress: rate.NewKeyed[netip.Addr](float64(l.JoinsPerAddress), joinBurst*float64(l.JoinsPerAddress)),
		open:      make(map[netip.Addr]int),
	}
}

// address counts a request of an address; an invalid one is not limited.
func (g *gate) address(addr netip.Addr, now time.Time) error {
	if addr.IsValid() && !g.byAddress.Take(site(addr), now) {
		return tooMany("too many joins from address %s: the limit is %d a second", addr, g.limits.JoinsPerAddress)
	}
	return nil
}

// key counts a request with a token of an API key.
func (g *gate) key(name string, now time.Time) error {
	if !g.byKey.Take(name, now) {
		return tooMany("too many joins with tokens of API key %.64q: the limit is %d a second", name, g.limits.JoinsPerKey)
	}
	return nil
}

// enter counts a connection of an address, until leave.
func (g *gate) enter(addr netip.Addr) error {
	if !addr.IsValid() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.full(addr); err != nil {
		return err
	}
	g.open[site(addr)]++
	return nil
}

// wouldEnter is enter without counting.
func (g *gate) wouldEnter(addr netip.Addr) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.full(addr)
}

// full returns why an address may have no other connection. mu is held.
func (g *gate) full(addr netip.Addr) error {
	if addr.IsValid() && g.open[site(addr)] >= g.limits.ConnectionsPerAddress {
		return tooMany("too many connections from address %s: the limit is %d at a time", addr, g.limits.ConnectionsPerAddress)
	}
	return nil
}

func (g *gate) leave(addr netip.Addr) {
	if !addr.IsValid() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := site(addr); g.open[s] > 1 {
		g.open[s]--
	} else {
		delete(g.open, s)
	}
}

// counters are since the start.
type counters struct {
	opened, resumed, refused, limited, cutOff atomic.Uint64
}

// Stats counts what is there, and what happened since the start.
type Stats struct {
	Connections int `json:"connections"`
	// Opened connections there were, of which Resumed ones went on with a session.
	Opened  uint64 `json:"opened"`
	Resumed uint64 `json:"resumed"`
	// Refused are clients that were not let in, Limited those of them that came
	// too often, CutOff those that sent too much once they were in.
	Refused uint64 `json:"refused"`
	Limited uint64 `json:"limited"`
	CutOff  uint64 `json:"cutOff"`
}
