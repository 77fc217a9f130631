package transport

import (
	"net/netip"
	"sync"
)

// maxPaths bounds the addresses that are known of a client at one socket. Those give way
// that it has not claimed, and then those where it has been: not where media goes.
const maxPaths = 128

// share is a connection's part of a socket: the addresses at which its client is.
type share struct {
	link *Link   // immutable
	sock *socket // immutable

	mu     sync.Mutex
	asked  netip.AddrPort           // mu guards; from where a check has last asked for us that is another's
	paths  map[netip.AddrPort]*Path // mu guards
	owned  map[netip.AddrPort]bool  // mu guards; which of them were claimed
	closed bool                     // mu guards
}

// path returns the way to an address. It is the same one each time, but where there are
// too many addresses.
func (s *share) path(addr netip.AddrPort) *Path {
	if p := s.link.path.Load(); p != nil && p.addr == addr && p.share == s {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.paths[addr]; p != nil {
		return p
	}
	p := s.sock.path(addr)
	p.share = s
	if !s.closed && s.hasRoom(false) {
		s.paths[addr] = p
	}
	return p
}

// hasRoom makes room for one path more, if that can be. Only for one that is claimed do
// others give way that were. mu is held.
func (s *share) hasRoom(claimed bool) bool {
	if len(s.paths) < maxPaths {
		return true
	}
	for addr := range s.paths {
		if !s.owned[addr] {
			delete(s.paths, addr)
			return true
		}
	}
	if !claimed {
		return false
	}
	for addr := range s.owned {
		if !s.serves(addr) {
			delete(s.paths, addr)
			delete(s.owned, addr)
			s.sock.table.remove(addr, s)
			return true
		}
	}
	return false
}

// wanted notes a check that names the connection, from an address that may be another's.
func (s *share) wanted(from netip.AddrPort) {
	if owner := s.sock.table.find(from); owner == nil || owner == s {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = from
}

// serves reports whether media goes to an address.
func (s *share) serves(addr netip.AddrPort) bool {
	p := s.link.path.Load()
	return p != nil && p.addr == addr && p.share == s
}

func (s *share) claim(p *Path) {
	if s.sock.table.find(p.addr) == s {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	owner := s.sock.table.find(p.addr)
	if owner != nil && s.asked != p.addr && owner.serves(p.addr) {
		return
	}
	// Another path to there may be known by now, if this one had to give way.
	if s.paths[p.addr] != nil || s.hasRoom(true) {
		s.paths[p.addr], s.owned[p.addr] = p, true
		s.sock.table.set(p.addr, s)
	}
}

// close ends the share: nothing arrives by it any more.
func (s *share) close() {
	s.mu.Lock()
	s.closed = true
	owned := s.owned
	s.paths, s.owned = nil, nil
	s.mu.Unlock()
	for addr := range owned {
		s.sock.table.remove(addr, s)
	}
}
