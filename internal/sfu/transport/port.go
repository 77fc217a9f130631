package transport

import (
	"net"
	"net/netip"
)

// Port is a UDP socket that is read by who has it, wake-up by wake-up, and not by a
// reader of ours: no connection is registered at it. Batches leave by its paths. One
// goroutine calls Wait and Next; the rest may be called by any.
type Port struct {
	sock *socket // immutable; of one member
	own  share   // immutable; what paths need of one
	in   portInbox
}

// NewPort makes a socket one, which nobody else may read then. It stays the caller's: who
// closes it ends Wait.
func NewPort(c *net.UDPConn, o Options) (*Port, error) {
	p := &Port{sock: &socket{addr: canonical(c.LocalAddr().(*net.UDPAddr).AddrPort()), members: []*net.UDPConn{c}}}
	p.own.sock = p.sock
	if err := p.sock.adopt(o); err != nil {
		return nil, err
	}
	p.begin()
	return p, nil
}

// Path returns a way to an address, a new one each time. To one of another family than
// the socket's nothing is sent.
func (p *Port) Path(to netip.AddrPort) *Path {
	way := p.sock.path(canonical(to))
	way.share = &p.own
	return way
}

// Write sends one datagram by itself.
func (p *Port) Write(b []byte, to netip.AddrPort) (int, error) { return p.sock.write(b, to) }
