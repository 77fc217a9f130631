//go:build !linux

package transport

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// sysSocket is what Linux adds to a socket. Other systems do without.
type sysSocket struct{}

// rawAddr is an address as the kernel has it.
type rawAddr struct{}

func newSocket(addr netip.AddrPort, _ Options) (*socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(bufferSize)
	_ = c.SetWriteBuffer(bufferSize)
	return &socket{
		addr:    canonical(c.LocalAddr().(*net.UDPAddr).AddrPort()),
		members: []*net.UDPConn{c},
		ufrags:  map[string]*share{},
	}, nil
}

func (s *socket) trains() bool { return false }

func (s *socket) path(a netip.AddrPort) *Path {
	return &Path{addr: a}
}

// write sends one datagram by itself.
func (s *socket) write(b []byte, to netip.AddrPort) (int, error) {
	return s.members[0].WriteToUDPAddrPort(b, to)
}

// read is a reader's goroutine.
func (s *socket) read(member int, batch *Batch) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := s.members[member].ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // a datagram too long, or out of memory
			continue
		}
		s.dispatch(b[:n], canonical(from), batch)
		batch.Flush()
	}
}

// outbox is the packets of a batch.
type outbox struct {
	paths []*Path
	first []int32
}

func (o *outbox) add(_ *Batch, p *Path, i int32, _ int) {
	o.paths, o.first = append(o.paths, p), append(o.first, i)
}

func (s *socket) send(b *Batch) {
	o := &b.out
	for m, at := range o.first {
		_, _ = s.members[s.through(b)].WriteToUDPAddrPort(b.bytes(at), o.paths[m].addr)
	}
	clear(o.paths)
	o.paths, o.first = o.paths[:0], o.first[:0]
}
