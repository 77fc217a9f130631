package transport

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
)

// Handler takes what arrives for a connection, on the goroutine that has read it. It may
// change b and must not keep it. Calls may be concurrent: a client's packets take another
// way after its address has changed. What it sends through the batch goes out together.
type Handler interface {
	// HandleCheck takes a STUN message that names the connection, or comes from an address
	// of it. Nothing says yet that it is authentic.
	HandleCheck(b []byte, from *Path, batch *Batch)
	// HandleHandshake takes the records of DTLS in a datagram that are not application data.
	HandleHandshake(b []byte, from *Path)
	// HandleData takes a record of DTLS with application data.
	HandleData(b []byte, batch *Batch)
	// HandleMedia takes a datagram whose first byte says that it is RTP or RTCP
	// (RFC 7983).
	HandleMedia(b []byte, batch *Batch)
}

// Link is one connection's view of the sockets: what names it or comes from its client
// goes to the Handler, and what is sent goes by the Path that was selected.
type Link struct {
	handler Handler  // immutable
	mux     *Mux     // immutable after Use; nil without UDP
	streams *Streams // immutable; nil without TCP

	path atomic.Pointer[Path]

	mu     sync.Mutex
	shares []*share // mu guards; in the order of the sockets, made when they are needed
	names  []string // mu guards
	closed bool     // mu guards
}

// NewLink returns a Link to the sockets of m and s, of which one may be nil.
func NewLink(m *Mux, s *Streams, h Handler) *Link {
	return &Link{handler: h, mux: m, streams: s}
}

// Use has the connection use sockets of its own. It is called before Register.
func (l *Link) Use(m *Mux) { l.mux = m }

// Path returns where media goes, nil before a Select.
func (l *Link) Path() *Path { return l.path.Load() }

// Select makes a path the one that media goes to.
func (l *Link) Select(p *Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.path.Store(p) // first, so that nobody else claims its address
		p.Claim()
	}
}

// Drop ends the sending of media until the next Select.
func (l *Link) Drop() { l.path.Store(nil) }

// Register has what arrives for a user name fragment of ICE handled.
func (l *Link) Register(ufrag string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.mux != nil {
		if l.shares == nil {
			for _, s := range l.mux.sockets {
				l.shares = append(l.shares, &share{link: l, sock: s, paths: map[netip.AddrPort]*Path{}, owned: map[netip.AddrPort]bool{}})
			}
		}
		for i, s := range l.mux.sockets {
			if err := s.register(ufrag, l.shares[i]); err != nil {
				l.mux.unregister(ufrag, l)
				return err
			}
		}
	}
	if l.streams != nil {
		if err := l.streams.register(l, ufrag); err != nil {
			l.mux.unregister(ufrag, l)
			return err
		}
	}
	l.names = append(l.names, ufrag)
	return nil
}

// Unregister forgets a user name fragment. What comes from where the client has been is
// handled as before.
func (l *Link) Unregister(ufrag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, name := range l.names {
		if name == ufrag {
			l.names = append(l.names[:i:i], l.names[i+1:]...)
			l.forget(ufrag)
			return
		}
	}
}

// forget is Unregister at the sockets. mu is held.
func (l *Link) forget(ufrag string) {
	l.mux.unregister(ufrag, l)
	if l.streams != nil {
		l.streams.unregister(l, ufrag)
	}
}

// Paths returns the ways to an address of the client: one for each socket of its family.
func (l *Link) Paths(addr netip.AddrPort) []*Path {
	addr = canonical(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	var paths []*Path
	for _, s := range l.shares {
		if s.sock.addr.Addr().Is4() == addr.Addr().Is4() {
			paths = append(paths, s.path(addr))
		}
	}
	return paths
}

// Close ends the connection's part of the sockets: nothing arrives any more, and what was
// not sent yet may be lost.
func (l *Link) Close() {
	l.mu.Lock()
	shares, names := l.shares, l.names
	l.names, l.closed = nil, true
	l.path.Store(nil)
	for _, ufrag := range names {
		l.forget(ufrag)
	}
	l.mu.Unlock()
	for _, s := range shares {
		s.close()
	}
	if l.streams != nil {
		l.streams.drop(l)
	}
}

// dispatch hands on one datagram, RFC 7983 §7. It may be called with any.
func (l *Link) dispatch(b []byte, from *Path, batch *Batch) {
	switch {
	case isMedia(b):
		l.handler.HandleMedia(b, batch)
	case isCheck(b):
		l.handler.HandleCheck(b, from, batch)
	case isRecord(b):
		l.takeRecords(b, from, batch)
	}
}

// takeRecords tells application data from what belongs to the handshake.
func (l *Link) takeRecords(b []byte, from *Path, batch *Batch) {
	left := 0
	for rest := b; len(rest) > 0; {
		one, more, ok := record.Split(rest)
		switch {
		case !ok:
			left += copy(b[left:], rest) // the handshake may make something of it
			more = nil
		case record.IsData(one):
			l.handler.HandleData(one, batch)
		default:
			left += copy(b[left:], one)
		}
		rest = more
	}
	if left > 0 {
		l.handler.HandleHandshake(b[:left], from)
	}
}

// isMedia tells RTP and RTCP from everything else, RFC 7983 §7.
func isMedia(b []byte) bool { return len(b) > 0 && b[0] >= 128 && b[0] <= 191 }

// isCheck tells STUN from everything else, RFC 7983 §7.
func isCheck(b []byte) bool { return len(b) > 0 && b[0] < 4 }

// isRecord tells DTLS from everything else, RFC 7983 §7.
func isRecord(b []byte) bool { return len(b) > 0 && b[0] >= 20 && b[0] <= 63 }

// canonical is an address as the tables have it.
func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// ErrClosed says that a Link, or the sockets behind it, are closed.
var ErrClosed = errors.New("link is closed")

var errTaken = errors.New("user name fragment in use")
