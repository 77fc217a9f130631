package turn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"
)

const (
	// maxPacket is longer than what a media packet is.
	maxPacket = 1600
	// relayTries is how many ports are tried before the range counts as full.
	relayTries = 32
	// maxChannels is how many channels an allocation may have at a time. Clients bind one
	// for each candidate of ours.
	maxChannels = 256
	// relayBuffer is asked of the kernel for each relay, in bytes.
	relayBuffer = 1 << 20
)

// relay is an allocation's socket. It reaches media ports of this server only:
// its other methods are pion's, these two are the guard.
type relay struct {
	server  *Server      // immutable
	session *session     // immutable
	conn    *net.UDPConn // immutable

	once sync.Once

	channels atomic.Int32 // that were bound

	mu    sync.Mutex
	names map[netip.AddrPort]*net.UDPAddr // mu guards; what the client calls a media port
}

// openRelay makes an allocation's socket for a participant, within its limit.
func (s *Server) openRelay(network, sid string, port int) (*relay, error) {
	if sid == "" || port != 0 {
		// Pairs of neighbouring ports (RFC 8656 §7.2) are of no use to us: pion
		// asks for them without saying for whom.
		return nil, errTransport
	}
	local, err := s.relayAddress(network == "udp6")
	if err != nil {
		return nil, err
	}
	r := &relay{server: s, names: map[netip.AddrPort]*net.UDPAddr{}}
	first, last := s.opts.RelayPorts[0], s.opts.RelayPorts[1]
	for range relayTries {
		try := first + uint16(rand.IntN(int(last-first)+1))
		r.conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, try)))
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(errNoRelayPort, err)
	}
	_ = r.conn.SetReadBuffer(relayBuffer)

	s.mu.Lock()
	defer s.mu.Unlock()
	r.session = s.sessions[sid]
	switch {
	case r.session == nil || s.closed:
		err = errUnknownSession
	case len(r.session.relays) >= s.opts.Limits.PerParticipant:
		err = errQuota
	}
	if err != nil {
		_ = r.conn.Close()
		return nil, err
	}
	r.session.relays[r] = struct{}{}
	s.open++
	return r, nil
}

// relayAddress is where relays of a family are bound.
func (s *Server) relayAddress(six bool) (netip.Addr, error) {
	for _, m := range s.opts.Media {
		if m.Local.Is6() == six {
			return m.Local, nil
		}
	}
	return netip.Addr{}, errNoFamily
}

// ReadFrom implements net.PacketConn: a packet from a media port, under the
// address that the client knows it by.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(p)
		if errors.Is(err, net.ErrClosed) {
			return 0, nil, err
		}
		if err != nil {
			continue // an ICMP answer to what was sent before
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		name := r.nameOf(from)
		switch {
		case name == nil:
			r.server.counters.forbidden.Add(1)
		case !r.session.down.AllowN(time.Now(), n):
			r.server.counters.overBitrate.Add(1)
		default:
			r.server.counters.bytesDown.Add(uint64(n))
			return n, name, nil
		}
	}
}

// WriteTo implements net.PacketConn. What is for anybody but a media port is not
// sent.
func (r *relay) WriteTo(p []byte, addr net.Addr) (int, error) {
	to := addrOf(addr)
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	local, ok := r.server.mediaPort(to)
	if !ok {
		r.server.counters.forbidden.Add(1)
		return 0, errForbiddenPeer
	}
	if !r.session.up.AllowN(time.Now(), len(p)) {
		r.server.counters.overBitrate.Add(1)
		return len(p), nil // lost on its way, as packets may be
	}
	r.name(local, to)
	r.server.counters.bytesUp.Add(uint64(len(p)))
	return r.conn.WriteToUDPAddrPort(p, local)
}

// mediaPort returns the local media port that clients know as to.
func (s *Server) mediaPort(to netip.AddrPort) (netip.AddrPort, bool) {
	local, ok := s.peers[to.Addr()]
	if !ok || to.Port() < s.opts.MediaPorts[0] || to.Port() > s.opts.MediaPorts[1] {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(local, to.Port()), true
}

// nameOf returns what the client calls a media port; nil for any other.
func (r *relay) nameOf(local netip.AddrPort) *net.UDPAddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := r.names[local]; name != nil {
		return name
	}
	i := slices.IndexFunc(r.server.opts.Media, func(m MediaAddr) bool { return m.Local == local.Addr() })
	if i < 0 || local.Port() < r.server.opts.MediaPorts[0] || local.Port() > r.server.opts.MediaPorts[1] {
		return nil
	}
	name := net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.server.opts.Media[i].Advertised[0], local.Port()))
	r.names[local] = name
	return name
}

// name notes what the client calls a media port.
func (r *relay) name(local, name netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.names[local]; known == nil || known.AddrPort() != name {
		r.names[local] = net.UDPAddrFromAddrPort(name)
	}
}

// Close implements net.PacketConn; the allocation ends.
func (r *relay) Close() error {
	r.once.Do(func() {
		r.server.mu.Lock()
		delete(r.session.relays, r)
		r.server.open--
		r.server.mu.Unlock()
	})
	err := r.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// LocalAddr implements net.PacketConn.
func (r *relay) LocalAddr() net.Addr { return r.conn.LocalAddr() }

// SetDeadline implements net.PacketConn.
func (r *relay) SetDeadline(t time.Time) error { return r.conn.SetDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (r *relay) SetReadDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (r *relay) SetWriteDeadline(t time.Time) error { return r.conn.SetWriteDeadline(t) }

// generator makes relays for pion. TCP is not relayed.
type generator struct{ server *Server }

func (g generator) Validate() error { return nil }

func (g generator) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	r, err := g.server.openRelay(c.Network, c.UserID, c.RequestedPort)
	if err != nil {
		g.server.refused(err)
		return nil, nil, err
	}
	return r, r.LocalAddr(), nil
}

func (g generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errTransport
}

func (g generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errTransport
}
