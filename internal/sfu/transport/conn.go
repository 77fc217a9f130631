package transport

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQueued bounds what waits for the ICE agent to read it: checks, a
	// handshake, data. What is more is lost, as it would be in a socket.
	maxQueued = 512
	// maxPaths bounds the addresses that an agent can send to from one socket.
	maxPaths = 512
)

// Conn is a connection's share of a socket: what the ICE agent reads and
// writes. Media never comes by here.
type Conn struct {
	link  *Link   // immutable
	sock  *socket // immutable
	ufrag string  // immutable

	shares atomic.Int32 // open handles, see GetConn
	recent atomic.Pointer[Path]

	mu     sync.Mutex
	asked  netip.AddrPort           // mu guards; from where a check has last asked for us that is another's
	paths  map[netip.AddrPort]*Path // mu guards
	queue  []datagram               // mu guards
	closed bool                     // mu guards
	ready  *sync.Cond               // on mu
}

type datagram struct {
	buf  *[]byte
	from netip.AddrPort
}

// datagrams holds what waits to be read. Nothing that is not media is longer
// than what a datagram holds on any network of today.
const maxDatagram = 2048

var datagrams = sync.Pool{New: func() any { b := make([]byte, 0, maxDatagram); return &b }}

func newConn(l *Link, s *socket, ufrag string) *Conn {
	c := &Conn{link: l, sock: s, ufrag: ufrag, paths: map[netip.AddrPort]*Path{}}
	c.ready = sync.NewCond(&c.mu)
	c.shares.Store(1)
	return c
}

// take hands on a STUN message; there may be no c.
func (c *Conn) take(b []byte, from netip.AddrPort, batch *Batch) {
	if c != nil && !c.link.check(b, from, c.sends, batch) {
		c.push(b, from)
	}
}

// sends reports whether a path leads through c's socket.
func (c *Conn) sends(p *Path) bool { return p.sock == c.sock }

// push copies a datagram for the agent.
func (c *Conn) push(b []byte, from netip.AddrPort) {
	if len(b) > maxDatagram {
		return
	}
	buf := datagrams.Get().(*[]byte)
	*buf = append((*buf)[:0], b...)
	c.mu.Lock()
	full := c.closed || len(c.queue) >= maxQueued
	if !full {
		c.queue = append(c.queue, datagram{buf, from})
		c.ready.Signal()
	}
	c.mu.Unlock()
	if full {
		datagrams.Put(buf)
	}
}

// ReadFromAddrPort reads one datagram. It returns io.EOF once c is closed.
func (c *Conn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	for len(c.queue) == 0 && !c.closed {
		c.ready.Wait()
	}
	if c.closed {
		c.mu.Unlock()
		return 0, netip.AddrPort{}, io.EOF
	}
	d := c.queue[0]
	c.queue[0] = datagram{}
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	c.mu.Unlock()
	n := copy(b, *d.buf)
	short := n < len(*d.buf)
	datagrams.Put(d.buf)
	if short {
		return n, d.from, io.ErrShortBuffer
	}
	return n, d.from, nil
}

// ReadFrom implements net.PacketConn.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if !from.IsValid() {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), err
}

// claim notes a check that names c, from an address that may be another's.
func (c *Conn) claim(from netip.AddrPort) {
	if owner := c.sock.table.find(from); owner == nil || owner == c {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = from
}

// serves reports whether media goes to an address.
func (c *Conn) serves(addr netip.AddrPort) bool {
	p := c.link.path.Load()
	return p != nil && p.addr == addr && p.sock == c.sock
}

// WriteToAddrPort sends one datagram. The address is the connection's from now
// on, unless it is one that another's media goes to, and that has not asked for us: a
// client may say that it is to be reached where somebody else is.
func (c *Conn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if !to.IsValid() {
		return 0, net.InvalidAddrError("no address")
	}
	if err := c.note(canonical(to)); err != nil {
		return 0, err
	}
	return c.sock.write(b, to)
}

// WriteTo implements net.PacketConn.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	return c.WriteToAddrPort(b, u.AddrPort())
}

// note makes an address the connection's, and its path the most recent one.
func (c *Conn) note(addr netip.AddrPort) error {
	if p := c.recent.Load(); p != nil && p.addr == addr && c.sock.table.find(addr) == c {
		return nil
	}
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed // not the pipe's, see adopted.WriteTo
	}
	p := c.paths[addr]
	if p == nil {
		if len(c.paths) >= maxPaths {
			return net.InvalidAddrError("too many addresses")
		}
		p = c.sock.path(addr)
		c.paths[addr] = p
	}
	owner := c.sock.table.find(addr)
	if owner != c && (owner == nil || c.asked == addr || !owner.serves(addr)) {
		c.sock.table.set(addr, c)
	}
	c.link.stamp++
	p.stamp = c.link.stamp
	c.recent.Store(p)
	return nil
}

func (c *Conn) route(addr netip.AddrPort) *Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[addr]
}

func (c *Conn) stream() bool { return false }

// LocalAddr implements net.PacketConn.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.sock.addr) }

// SetDeadline does nothing: the agent closes what it does not want to read.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: writing does not wait for a client.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Close gives one share back; the last one closes the connection's part.
func (c *Conn) Close() error {
	if c.shares.Add(-1) > 0 {
		return nil
	}
	c.shutdown()
	return nil
}

func (c *Conn) shutdown() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	paths, queue := c.paths, c.queue
	c.queue = nil
	c.ready.Broadcast()
	c.mu.Unlock()
	for _, d := range queue {
		datagrams.Put(d.buf)
	}
	c.sock.forget(c)
	c.link.leave(c)
	for addr := range paths {
		c.sock.table.remove(addr, c)
	}
}
