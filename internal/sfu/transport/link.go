package transport

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
)

// Handler takes a connection's RTP and RTCP, its data, and the checks of its path.
type Handler interface {
	// HandleCheck takes a STUN message that came from where media goes to, which is
	// path, under the same rules as HandleMedia. The agent gets it if it reports
	// false, and so b stays as it is then.
	HandleCheck(b []byte, path *Path, batch *Batch) bool
	// HandleData takes a record of DTLS with application data, under the same rules
	// as HandleMedia.
	HandleData(b []byte, batch *Batch)
	// HandleServerHello sees a record with the ServerHello of a client, which is
	// the server of the handshake then. It must not keep or change it.
	HandleServerHello(b []byte)
	// HandleMedia takes a datagram whose first byte says that it is RTP or RTCP
	// (RFC 7983). It may change b and must not keep it. Calls may be concurrent:
	// a client's packets take another way after its address has changed. Packets
	// that it sends through the batch go out together.
	HandleMedia(b []byte, batch *Batch)
}

// Link is one connection's view of the sockets. Its ICE agent gathers and
// sends checks through it; media goes to the Handler, and out by the Path that
// Select has found.
type Link struct {
	handler Handler // immutable
	mux     *Mux    // immutable; nil if the agent has its own sockets

	path atomic.Pointer[Path]

	mu    sync.Mutex
	stamp uint64   // mu guards; counts the packets of the agent
	conns []member // mu guards
}

// member is a socket, or a share of one, that the agent gathered.
type member interface {
	// route returns the path to an address that the agent has sent to, nil if
	// it has not.
	route(addr netip.AddrPort) *Path
	stream() bool // TCP
}

// NewLink returns a Link. m is nil when the agent opens sockets of its own and
// hands them to Adopt.
func NewLink(m *Mux, h Handler) *Link { return &Link{handler: h, mux: m} }

// Path returns where media goes, nil before a Select.
func (l *Link) Path() *Path { return l.path.Load() }

// Select makes the address the one that media goes to: over TCP or UDP, from
// where the agent has last sent to it. It reports false, and changes nothing,
// if the agent has not.
func (l *Link) Select(addr netip.AddrPort, tcp bool) bool {
	addr = canonical(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	var best *Path
	for _, m := range l.conns {
		if m.stream() != tcp {
			continue
		}
		if p := m.route(addr); p != nil && (best == nil || p.stamp > best.stamp) {
			best = p
		}
	}
	if best == nil {
		return false
	}
	l.path.Store(best)
	return true
}

// Drop ends the sending of media until the next Select.
func (l *Link) Drop() { l.path.Store(nil) }

// check gives the handler what it may answer in the agent's place: what came from
// where media goes, through the same socket.
func (l *Link) check(b []byte, from netip.AddrPort, through func(*Path) bool, batch *Batch) bool {
	p := l.path.Load()
	return p != nil && p.addr == from && through(p) && l.handler.HandleCheck(b, p, batch)
}

func (l *Link) join(m member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, m)
}

func (l *Link) leave(m member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.conns {
		if other == m {
			l.conns = append(l.conns[:i:i], l.conns[i+1:]...)
			return
		}
	}
}

// isMedia tells RTP and RTCP from everything else, RFC 7983 §7.
func isMedia(b []byte) bool { return len(b) > 0 && b[0] >= 128 && b[0] <= 191 }

// canonical is an address as the tables have it.
func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func addrPort(a net.Addr) (netip.AddrPort, bool) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return canonical(a.AddrPort()), true
	case *net.TCPAddr:
		return canonical(a.AddrPort()), true
	}
	return netip.AddrPort{}, false
}

// GetConn returns the share of a socket that the agent has for a user name
// fragment. The address is one of GetListenAddresses.
func (l *Link) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	return l.mux.conn(l, ufrag, addr)
}

// Reserve has what arrives for a user name fragment wait for the agent that will have
// it, as if that had called GetConn on every address. It ends with release, which may be
// called once the agent has.
func (l *Link) Reserve(ufrag string) (release func(), err error) {
	conns, err := l.mux.reserve(l, ufrag)
	if err != nil {
		return nil, err
	}
	return func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}, nil
}

// RemoveConnByUfrag closes what GetConn returned for it.
func (l *Link) RemoveConnByUfrag(ufrag string) { l.mux.remove(l, ufrag) }

// GetListenAddresses returns the local addresses.
func (l *Link) GetListenAddresses() []net.Addr { return l.mux.addresses() }

// Close closes what is left of the agent's shares.
func (l *Link) Close() error {
	l.mu.Lock()
	conns := append([]member(nil), l.conns...)
	l.mu.Unlock()
	for _, m := range conns {
		if c, ok := m.(*Conn); ok {
			_ = c.Close()
		}
	}
	return nil
}

// isCheck tells STUN from everything else, RFC 7983 §7.
func isCheck(b []byte) bool { return len(b) > 0 && b[0] < 4 }

// isRecord tells DTLS from everything else, RFC 7983 §7.
func isRecord(b []byte) bool { return len(b) > 0 && b[0] >= 20 && b[0] <= 63 }

// takeData gives the application data of a datagram with records to the handler,
// and returns what is left for the agent.
func (l *Link) takeData(b []byte, batch *Batch) []byte {
	left := 0
	for rest := b; len(rest) > 0; {
		one, more, ok := record.Split(rest)
		switch {
		case !ok:
			return b[:left+copy(b[left:], rest)] // the agent may make something of it
		case record.IsData(one):
			l.handler.HandleData(one, batch)
		default:
			if record.IsServerHello(one) {
				l.handler.HandleServerHello(one)
			}
			left += copy(b[left:], one)
		}
		rest = more
	}
	return b[:left]
}
