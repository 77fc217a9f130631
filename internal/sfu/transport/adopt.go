package transport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
)

// adopted is a socket of the agent's own, or what ICE-TCP has in its place:
// media is taken out of what is read from it, and written to it packet by
// packet.
type adopted struct {
	net.PacketConn
	link *Link // immutable
	tcp  bool  // immutable

	mu    sync.Mutex
	paths map[netip.AddrPort]*Path // mu guards
}

// Adopt returns c for the agent to use, without the media that c receives.
func (l *Link) Adopt(c net.PacketConn, tcp bool) net.PacketConn {
	a := &adopted{PacketConn: c, link: l, tcp: tcp, paths: map[netip.AddrPort]*Path{}}
	l.join(a)
	return a
}

// ReadFrom implements net.PacketConn.
func (a *adopted) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := a.PacketConn.ReadFrom(b)
		if err != nil || !isMedia(b[:n]) && !isRecord(b[:n]) && !isCheck(b[:n]) {
			return n, from, err
		}
		batch := Borrow()
		switch {
		case isMedia(b[:n]):
			a.link.handler.HandleMedia(b[:n], batch)
			n = 0
		case isRecord(b[:n]):
			n = len(a.link.takeData(b[:n], batch))
		default:
			if addr, ok := addrPort(from); ok && a.link.check(b[:n], addr, a.sends, batch) {
				n = 0
			}
		}
		batch.Return()
		if n > 0 {
			return n, from, nil
		}
	}
}

// WriteTo implements net.PacketConn. That a client's TCP connection is gone loses
// what is written to it, as UDP does, and no more: an io.ErrClosedPipe would end
// DTLS and the data channels, and leave nothing for an ICE restart to save.
func (a *adopted) WriteTo(b []byte, to net.Addr) (int, error) {
	if addr, ok := addrPort(to); ok {
		a.note(addr, to)
	}
	n, err := a.PacketConn.WriteTo(b, to)
	if errors.Is(err, io.ErrClosedPipe) {
		err = net.ErrClosed
	}
	return n, err
}

func (a *adopted) note(addr netip.AddrPort, to net.Addr) {
	a.link.mu.Lock()
	a.link.stamp++
	stamp := a.link.stamp
	a.mu.Lock()
	p := a.paths[addr]
	if p == nil && len(a.paths) < maxPaths {
		p = &Path{addr: addr, plain: a.PacketConn, to: to}
		a.paths[addr] = p
	}
	a.mu.Unlock()
	if p != nil {
		p.stamp = stamp
	}
	a.link.mu.Unlock()
}

func (a *adopted) route(addr netip.AddrPort) *Path {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paths[addr]
}

// sends reports whether a path leads through a.
func (a *adopted) sends(p *Path) bool { return p.plain == a.PacketConn }

func (a *adopted) stream() bool { return a.tcp }

// Close implements net.PacketConn.
func (a *adopted) Close() error {
	a.link.leave(a)
	return a.PacketConn.Close()
}
