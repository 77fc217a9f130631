package transport

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
)

const (
	bufferSize = 4 << 20 // bytes; asked of the kernel, which may give less
	maxReaders = 8
)

// Options configure a Mux.
type Options struct {
	// Readers is how many sockets, each with its reader, share the port of one
	// address, where the system can do that. Default: one for each processor
	// that Go uses, 8 at most.
	Readers int
	// Plain does without batches and trains, as on systems that have none.
	Plain bool
}

// Mux owns the UDP sockets that connections share: one port, bound on each
// local address by itself, so that replies leave from the address that was
// asked.
type Mux struct {
	sockets []*socket // immutable
}

// Listen binds a port on every address; 0 takes one that is free on all of
// them. The first address that cannot be bound is in the error.
func Listen(addrs []netip.Addr, port int, o Options) (*Mux, error) {
	if o.Readers <= 0 {
		o.Readers = runtime.GOMAXPROCS(0)
	}
	o.Readers = min(o.Readers, maxReaders)
	const tries = 16
	for try := 1; ; try++ {
		m, err := listen(addrs, port, o)
		if err == nil || port != 0 || try == tries {
			return m, err
		}
	}
}

func listen(addrs []netip.Addr, port int, o Options) (*Mux, error) {
	m := &Mux{}
	for _, addr := range addrs {
		s, err := newSocket(netip.AddrPortFrom(addr, uint16(port)), o)
		if err != nil {
			_ = m.Close()
			return nil, &AddrError{Addr: netip.AddrPortFrom(addr, uint16(port)), Err: err}
		}
		m.sockets = append(m.sockets, s)
		port = int(s.addr.Port())
	}
	readers := 0
	for _, s := range m.sockets {
		s.start(readers)
		readers += len(s.members)
	}
	return m, nil
}

// AddrError says which address could not be bound.
type AddrError struct {
	Addr netip.AddrPort
	Err  error
}

func (e *AddrError) Error() string { return "listen on " + e.Addr.String() + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *AddrError) Unwrap() error { return e.Err }

// LocalAddrs returns the bound addresses, in the order of Listen.
func (m *Mux) LocalAddrs() []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range m.sockets {
		out = append(out, s.addr)
	}
	return out
}

func (m *Mux) addresses() []net.Addr {
	var out []net.Addr
	for _, s := range m.sockets {
		out = append(out, net.UDPAddrFromAddrPort(s.addr))
	}
	return out
}

func (m *Mux) conn(l *Link, ufrag string, addr net.Addr) (net.PacketConn, error) {
	at, ok := addrPort(addr)
	if ok {
		for _, s := range m.sockets {
			if s.addr == at {
				return s.conn(l, ufrag)
			}
		}
	}
	return nil, &AddrError{Addr: at, Err: errNotBound}
}

func (m *Mux) reserve(l *Link, ufrag string) ([]*Conn, error) {
	conns := make([]*Conn, 0, len(m.sockets))
	for _, s := range m.sockets {
		c, err := s.conn(l, ufrag)
		if err != nil {
			for _, c := range conns {
				_ = c.Close()
			}
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func (m *Mux) remove(l *Link, ufrag string) {
	for _, s := range m.sockets {
		if c := s.byUfrag(ufrag); c != nil && c.link == l {
			_ = c.Close()
		}
	}
}

// Close closes the sockets and what connections share of them, and waits for
// the readers.
func (m *Mux) Close() error {
	var errs []error
	for _, s := range m.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

var (
	errNotBound = errors.New("not a bound address")
	errTaken    = errors.New("user name fragment in use")
)

// socket is one local address: a group of sockets of the system, each with a
// reader.
type socket struct {
	addr    netip.AddrPort // immutable
	members []*net.UDPConn // immutable
	sys     sysSocket
	readers sync.WaitGroup

	table table

	mu     sync.RWMutex
	ufrags map[string]*Conn // mu guards
	closed bool             // mu guards
}

// start begins to read. Readers before these are of other addresses.
func (s *socket) start(before int) {
	for i := range s.members {
		s.readers.Go(func() { s.read(i, newBatch(i, before+i, arenaSize)) })
	}
}

// through is which member sends a batch: the owner's own, if this address has one.
func (s *socket) through(b *Batch) int { return min(max(b.reader, 0), len(s.members)-1) }

func (s *socket) conn(l *Link, ufrag string) (*Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if c := s.ufrags[ufrag]; c != nil {
		if c.link != l {
			return nil, errTaken
		}
		c.shares.Add(1)
		return c, nil
	}
	c := newConn(l, s, ufrag)
	s.ufrags[ufrag] = c
	l.join(c)
	return c, nil
}

func (s *socket) byUfrag(ufrag string) *Conn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ufrags[ufrag]
}

func (s *socket) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ufrags[c.ufrag] == c {
		delete(s.ufrags, c.ufrag)
	}
}

func (s *socket) close() error {
	s.mu.Lock()
	s.closed = true
	conns := make([]*Conn, 0, len(s.ufrags))
	for _, c := range s.ufrags {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.shutdown()
	}
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.Close())
	}
	s.readers.Wait()
	return errors.Join(errs...)
}

// dispatch hands on one datagram, RFC 7983 §7.
func (s *socket) dispatch(b []byte, from netip.AddrPort, batch *Batch) {
	if len(b) == 0 {
		return
	}
	switch {
	case isMedia(b):
		if c := s.table.find(from); c != nil {
			c.link.handler.HandleMedia(b, batch)
		}
	case isCheck(b):
		// A check names the connection it is for; the address may be new, or
		// another connection's from before.
		if ufrag := checkedUfrag(b); ufrag != nil {
			s.mu.RLock()
			c := s.ufrags[string(ufrag)]
			s.mu.RUnlock()
			if c != nil {
				c.claim(from)
			}
			c.take(b, from, batch)
			return
		}
		s.table.find(from).take(b, from, batch)
	case isRecord(b):
		if c := s.table.find(from); c != nil {
			if b = c.link.takeData(b, batch); len(b) > 0 {
				c.push(b, from)
			}
		}
	}
}
