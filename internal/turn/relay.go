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

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"

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
//
// What media sends into a channel of the client's goes past pion, which writes packet by
// packet: all that one wake-up brought leaves at once.
type relay struct {
	server  *Server         // immutable
	session *session        // immutable
	conn    *net.UDPConn    // immutable
	port    *transport.Port // immutable; of conn
	front   *front          // immutable; where the client talks to us, nil over TCP

	once sync.Once

	client outlet          // reader only, once it was made; pion reads by one goroutine
	way    *transport.Path // the front's reader only; where it sent last

	bindings atomic.Int32 // channels that were bound

	mu       sync.Mutex
	names    map[netip.AddrPort]*net.UDPAddr // mu guards; what the client calls a media port
	channels map[netip.AddrPort]uint16       // mu guards; of media ports by what the client calls them
}

// openRelay makes an allocation's socket for a participant, within its limit.
func (s *Server) openRelay(network, sid string, port int, f *front) (*relay, error) {
	if sid == "" || port != 0 {
		// Pairs of neighbouring ports (RFC 8656 §7.2) are of no use to us: pion
		// asks for them without saying for whom.
		return nil, errTransport
	}
	local, err := s.relayAddress(network == "udp6")
	if err != nil {
		return nil, err
	}
	r := &relay{server: s, front: f, names: map[netip.AddrPort]*net.UDPAddr{}, channels: map[netip.AddrPort]uint16{}}
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
	if r.port, err = transport.NewPort(r.conn, transport.Options{}); err != nil {
		_ = r.conn.Close()
		return nil, err
	}

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
// address that the client knows it by. Those of channels are sent here, and pion
// gets the others. They stay in order: what came before one leaves first.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		b, from, ok := r.port.Next()
		if !ok {
			r.client.flush()
			// Another error is an ICMP answer to what was sent before.
			if err := r.port.Wait(); errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			continue
		}
		name, channel := r.nameOf(from)
		switch {
		case name == nil:
			r.server.counters.forbidden.Add(1)
		case len(b) > min(len(p), maxPacket): // no packet of media
		case !r.session.down.AllowN(time.Now(), len(b)):
			r.server.counters.overBitrate.Add(1)
		case channel == 0 || !r.client.exists():
			r.client.flush()
			r.server.counters.bytesDown.Add(uint64(len(b)))
			return copy(p, b), name, nil
		default:
			r.server.counters.bytesDown.Add(uint64(len(b)))
			r.client.add(channel, b)
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
	if r.front == nil || len(p) == 0 {
		return r.port.Write(p, local)
	}
	if r.way == nil || r.way.Addr() != local {
		r.way = r.port.Path(local)
	}
	r.front.send(r.way, p)
	return len(p), nil
}

// mediaPort returns the local media port that clients know as to.
func (s *Server) mediaPort(to netip.AddrPort) (netip.AddrPort, bool) {
	local, ok := s.peers[to.Addr()]
	if !ok || to.Port() < s.opts.MediaPorts[0] || to.Port() > s.opts.MediaPorts[1] {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(local, to.Port()), true
}

// nameOf returns what the client calls a media port, nil for any other, and the
// channel that it has for it, 0 for none.
func (r *relay) nameOf(local netip.AddrPort) (*net.UDPAddr, uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := r.names[local]
	if name == nil {
		i := slices.IndexFunc(r.server.opts.Media, func(m MediaAddr) bool { return m.Local == local.Addr() })
		if i < 0 || local.Port() < r.server.opts.MediaPorts[0] || local.Port() > r.server.opts.MediaPorts[1] {
			return nil, 0
		}
		name = net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.server.opts.Media[i].Advertised[0], local.Port()))
		r.names[local] = name
	}
	return name, r.channels[name.AddrPort()]
}

// name notes what the client calls a media port.
func (r *relay) name(local, name netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.names[local]; known == nil || known.AddrPort() != name {
		r.names[local] = net.UDPAddrFromAddrPort(name)
	}
}

// bind notes the channel of what the client calls a media port, 0 that there is none.
func (r *relay) bind(name netip.AddrPort, channel uint16) {
	name = netip.AddrPortFrom(name.Addr().Unmap(), name.Port())
	r.mu.Lock()
	defer r.mu.Unlock()
	if channel == 0 {
		delete(r.channels, name)
		return
	}
	r.channels[name] = channel
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

// generator makes relays for pion, of the clients of one front, or of those that come by
// TCP. TCP is not relayed.
type generator struct {
	server *Server
	front  *front // nil: by TCP
}

func (g generator) Validate() error { return nil }

func (g generator) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	r, err := g.server.openRelay(c.Network, c.UserID, c.RequestedPort, g.front)
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
