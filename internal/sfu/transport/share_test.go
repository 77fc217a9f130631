package transport

import (
	"net/netip"
	"testing"
)

func TestAddressesOfAClientAreBounded(t *testing.T) {
	m, cl := newMux(t, Options{Readers: 1}), newClient(t)
	l := join(t, m, new(witness), "ours")
	nth := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(1000+i))
	}
	const moves = 32 * maxPaths // so many that each address would have its turn
	at := func(i int) *Path { return l.Paths(nth(i))[0] }
	media := reach(t, l, cl)
	s := media.share
	known := func() int {
		n := 0
		for i := range moves {
			if s.sock.table.find(nth(i)) == s {
				n++
			}
		}
		return n
	}

	// Anybody that knows a name can have us know addresses. Those give way.
	var claimed []*Path
	for i := range 10 {
		p := at(i)
		p.Claim()
		claimed = append(claimed, p)
	}
	for i := range 4 * maxPaths {
		at(i)
	}
	if len(s.paths) != maxPaths || known() != len(claimed) {
		t.Errorf("%d addresses, of which %d are claimed", len(s.paths), known())
	}
	for i, p := range claimed {
		if at(i) != p {
			t.Errorf("there is another path to address %d, which is claimed", i)
		}
	}

	// One that gave way before it was claimed is the client's all the same.
	late := at(maxPaths)
	s.mu.Lock()
	delete(s.paths, late.addr)
	s.mu.Unlock()
	at(maxPaths) // as something has come from there meanwhile
	if late.Claim(); s.sock.table.find(late.addr) != s || at(maxPaths) != late {
		t.Error("a path that gave way cannot be claimed")
	}

	// A client may move as often as it likes.
	for i := range moves {
		p := at(i)
		if p.Claim(); s.sock.table.find(nth(i)) != s || at(i) != p {
			t.Fatalf("address %d cannot be claimed", i)
		}
	}
	if n := known(); len(s.paths) != maxPaths || n != maxPaths-1 || len(s.owned) != maxPaths {
		t.Errorf("%d addresses, of which %d are claimed", len(s.paths), n+1)
	}
	if l.Paths(cl.addr())[0] != media || s.sock.table.find(cl.addr()) != s {
		t.Error("where media goes is another's")
	}
	l.Close()
	if n := known(); n != 0 {
		t.Errorf("%d addresses are known after the end", n)
	}
}
