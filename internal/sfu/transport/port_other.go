//go:build !linux

package transport

import (
	"errors"
	"net"
	"net/netip"
)

// portInbox is the datagram that a wake-up of a Port brought. It is its reader's.
type portInbox struct {
	room []byte
	b    []byte
	from netip.AddrPort
}

func (s *socket) adopt(Options) error { return nil }

func (p *Port) begin() { p.in.room = make([]byte, 2048) }

// Wait returns when there is something for Next. Its error is net.ErrClosed, or the
// socket is as before.
func (p *Port) Wait() error {
	n, from, err := p.sock.members[0].ReadFromUDPAddrPort(p.in.room)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return nil // a datagram too long
	}
	p.in.b, p.in.from = p.in.room[:n], canonical(from)
	return err
}

// Next returns the datagram that the last wake-up brought, and from whom. It is false
// when there is none more: what follows from it has to be sent before Wait.
func (p *Port) Next() (b []byte, from netip.AddrPort, ok bool) {
	b, p.in.b = p.in.b, nil
	return b, p.in.from, len(b) > 0
}
