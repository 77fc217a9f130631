package turn

import (
	"crypto/rand"
	"net"
	"net/netip"

	"github.com/pion/turn/v5"
	"golang.org/x/time/rate"
)

// realm is part of what passwords are hashed with (RFC 8489 §9.2.2).
const realm = "rollcall"

// Credentials are what a participant's client needs.
type Credentials struct {
	URLs     []string
	Username string
	Password string
}

// session is a participant's right to relay.
type session struct {
	id       string              // immutable
	password string              // immutable
	key      []byte              // immutable
	up, down *rate.Limiter       // bytes per second
	relays   map[*relay]struct{} // Server.mu guards
}

// Admit lets the participant with this session id relay until Revoke. Asked
// again, it gives the same credentials.
func (s *Server) Admit(sid string) Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[sid]
	if ses == nil {
		ses = &session{
			id: sid, password: rand.Text(),
			up: s.limiter(), down: s.limiter(),
			relays: map[*relay]struct{}{},
		}
		ses.key = turn.GenerateAuthKey(sid, realm, ses.password)
		s.sessions[sid] = ses
	}
	return Credentials{URLs: s.urls, Username: sid, Password: ses.password}
}

// Revoke ends what Admit allowed, and every allocation made with it.
func (s *Server) Revoke(sid string) {
	s.mu.Lock()
	ses := s.sessions[sid]
	delete(s.sessions, sid)
	var relays []*relay
	if ses != nil {
		for r := range ses.relays {
			relays = append(relays, r)
		}
	}
	s.mu.Unlock()
	for _, r := range relays {
		_ = r.Close()
	}
}

func (s *Server) limiter() *rate.Limiter {
	if s.opts.Limits.Bitrate < 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	perSecond := s.opts.Limits.Bitrate / 8
	// A quarter of a second at once: a key frame, not a download.
	return rate.NewLimiter(rate.Limit(perSecond), int(max(perSecond/4, maxPacket)))
}

// authenticate finds the key of a request's user. A request of a revoked one is
// answered with 401, also on an allocation that has not ended yet.
func (s *Server) authenticate(request *turn.RequestAttributes) (string, []byte, bool) {
	s.mu.Lock()
	ses := s.sessions[request.Username]
	s.mu.Unlock()
	if ses == nil {
		s.counters.unauthorized.Add(1)
		return "", nil, false
	}
	return ses.id, ses.key, true
}

// authenticated counts what had a known user and a wrong password.
func (s *Server) authenticated(_, _ net.Addr, _, _, _ string, _ string, ok bool) {
	if !ok {
		s.counters.unauthorized.Add(1)
	}
}

// admitAllocation answers whether there may be one more, before it is made: no
// is code 486 to the client. openRelay holds the participant's limit.
func (s *Server) admitAllocation(sid, _ string, src net.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[sid]
	if ses == nil || len(ses.relays) >= s.opts.Limits.PerParticipant || !s.balanced(src) && s.byAddress[addressKey(src)] >= s.opts.Limits.PerAddress {
		s.counters.overQuota.Add(1)
		return false
	}
	return true
}

// balanced says whether an address is not the client's but that of who ends TLS before
// us, as all clients have.
func (s *Server) balanced(src net.Addr) bool {
	_, stream := src.(*net.TCPAddr)
	return stream && s.opts.ExternalTLS
}

func (s *Server) allocated(src, dst net.Addr, _, sid, _ string, relayAddr net.Addr, _ int) {
	s.mu.Lock()
	if !s.balanced(src) {
		s.byAddress[addressKey(src)]++
	}
	stream := s.streams[streamKey(src, dst)]
	s.mu.Unlock()
	if stream != nil {
		stream.allocated()
	}
	if r := s.relayAt(sid, relayAddr); r != nil { // nobody reads it yet
		r.client.stream = stream
		if r.front != nil {
			r.client.path = r.front.port.Path(addrOf(src))
		}
	}
	s.counters.allocations.Add(1)
	s.log.Debug("TURN allocation", "participant_sid", sid, "client", src.String(), "relay", relayAddr.String())
}

func (s *Server) deallocated(src, dst net.Addr, _, sid, _ string) {
	s.mu.Lock()
	if key := addressKey(src); !s.balanced(src) {
		if s.byAddress[key]--; s.byAddress[key] <= 0 {
			delete(s.byAddress, key)
		}
	}
	stream := s.streams[streamKey(src, dst)]
	s.mu.Unlock()
	if stream != nil {
		stream.deallocated()
	}
	s.log.Debug("TURN allocation ended", "participant_sid", sid, "client", src.String())
}

// bound counts a channel that was bound. An allocation with too many ends.
func (s *Server) bound(_, _ net.Addr, _, sid, _ string, relayAddr, peer net.Addr, channel uint16) {
	r := s.relayAt(sid, relayAddr)
	if r == nil {
		return
	}
	r.bind(addrOf(peer), channel)
	if r.bindings.Add(1) > maxChannels {
		s.counters.overQuota.Add(1)
		_ = r.Close()
	}
}

// unbound counts a channel that has ended.
func (s *Server) unbound(_, _ net.Addr, _, sid, _ string, relayAddr, peer net.Addr, _ uint16) {
	if r := s.relayAt(sid, relayAddr); r != nil {
		r.bind(addrOf(peer), 0)
		r.bindings.Add(-1)
	}
}

// relayAt finds a relay of a participant by its address, nil if there is none.
func (s *Server) relayAt(sid string, at net.Addr) *relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses := s.sessions[sid]; ses != nil {
		for r := range ses.relays {
			if addrOf(r.LocalAddr()) == addrOf(at) {
				return r
			}
		}
	}
	return nil
}

// addressKey is whose address it is: all of an IPv6 /64 are somebody's.
func addressKey(a net.Addr) netip.Prefix {
	addr := addrOf(a).Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}

func addrOf(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort()
	case *net.TCPAddr:
		return a.AddrPort()
	}
	addr, _ := netip.ParseAddrPort(a.String())
	return addr
}
