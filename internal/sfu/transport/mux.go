package transport

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
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
	// Own is for a Mux of one connection alone: with one reader, that gathers little.
	Own bool
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
	if o.Own {
		o.Readers = 1
	}
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
		s.start(readers, o)
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

// unregister forgets a name that is l's. There may be no m.
func (m *Mux) unregister(ufrag string, l *Link) {
	if m == nil {
		return
	}
	for _, s := range m.sockets {
		s.unregister(ufrag, l)
	}
}

// Close closes the sockets and waits for the readers.
func (m *Mux) Close() error {
	var errs []error
	for _, s := range m.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// socket is one local address: a group of sockets of the system, each with a
// reader.
type socket struct {
	addr    netip.AddrPort // immutable
	members []*net.UDPConn // immutable
	sys     sysSocket
	readers sync.WaitGroup

	table table

	mu     sync.RWMutex
	ufrags map[string]*share // mu guards
	closed bool              // mu guards
}

// start begins to read. Readers before these are of other addresses.
func (s *socket) start(before int, o Options) {
	size := arenaSize
	if o.Own {
		size, before = looseSize, maxMarks // marks are for readers that all paths know
	}
	for i := range s.members {
		s.readers.Go(func() { s.read(i, newBatch(i, before+i, size)) })
	}
}

// through is which member sends a batch: the owner's own, if this address has one.
func (s *socket) through(b *Batch) int { return min(max(b.reader, 0), len(s.members)-1) }

// register has checks that name ufrag handled by the link of a share.
func (s *socket) register(ufrag string, own *share) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if other := s.ufrags[ufrag]; other != nil && other != own {
		return errTaken
	}
	s.ufrags[ufrag] = own
	return nil
}

func (s *socket) unregister(ufrag string, l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.ufrags[ufrag]; own != nil && own.link == l {
		delete(s.ufrags, ufrag)
	}
}

func (s *socket) named(ufrag []byte) *share {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ufrags[string(ufrag)]
}

func (s *socket) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.Close())
	}
	s.readers.Wait()
	return errors.Join(errs...)
}

// dispatch hands on one datagram to the connection that it is for: a check names it;
// whatever else comes from an address that the connection has claimed. A check's address
// may be new, or another connection's from before.
func (s *socket) dispatch(b []byte, from netip.AddrPort, batch *Batch) {
	if ufrag := stun.Ufrag(b); ufrag != nil {
		if own := s.named(ufrag); own != nil {
			own.wanted(from)
			own.link.dispatch(b, own.path(from), batch)
		}
		return
	}
	own := s.table.find(from)
	switch {
	case own == nil:
	case isMedia(b): // needs no path
		own.link.handler.HandleMedia(b, batch)
	default:
		own.link.dispatch(b, own.path(from), batch)
	}
}
