package transport

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long TCP connections stay open that an agent has given up. It
// restarts before its client hears of it: a client whose connection ends at
// once, and that still writes to it, may take its whole transport for dead.
const linger = 2 * time.Second

// maxFramed is the longest packet of ICE-TCP that is read, in bytes.
const maxFramed = 8192

// streamMux is the part of an ICE-TCP multiplexer that an agent uses. It gives out
// shares: of one that is closed only the owner's reads and writes end, and the
// connections behind them when the last one is, or when they are removed.
type streamMux interface {
	GetConnByUfrag(ufrag string, isIPv6 bool, local net.IP) (net.PacketConn, error)
	RemoveConnByUfrag(ufrag string)
	Close() error
}

// StreamMux is an ICE-TCP multiplexer for one connection: media takes the way
// through its Link.
type StreamMux struct {
	streamMux
	link *Link

	mu    sync.Mutex
	given map[*streams]string // mu guards; each with its name
}

// Streams returns inner for the agent to use. Closing it leaves inner open.
func (l *Link) Streams(inner streamMux) *StreamMux {
	return &StreamMux{streamMux: inner, link: l, given: map[*streams]string{}}
}

// GetConnByUfrag returns the agent's share of the listener.
func (m *StreamMux) GetConnByUfrag(ufrag string, isIPv6 bool, local net.IP) (net.PacketConn, error) {
	c, err := m.streamMux.GetConnByUfrag(ufrag, isIPv6, local)
	if err != nil {
		return nil, err
	}
	rest, err := m.streamMux.GetConnByUfrag(ufrag, isIPv6, local)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s := &streams{PacketConn: c, rest: rest, handler: m.link.handler}
	m.mu.Lock()
	m.given[s] = ufrag
	m.mu.Unlock()
	return m.link.Adopt(s, true), nil
}

// RemoveConnByUfrag closes what the agent had by the name: a while later if a client has
// connected to it.
func (m *StreamMux) RemoveConnByUfrag(ufrag string) {
	if m.take(ufrag) {
		time.AfterFunc(linger, func() { m.streamMux.RemoveConnByUfrag(ufrag) })
	} else {
		m.streamMux.RemoveConnByUfrag(ufrag)
	}
}

// take forgets what was given out by the name, and reports whether a client has used it.
func (m *StreamMux) take(ufrag string) (used bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s, name := range m.given {
		if name == ufrag {
			used = used || s.used.Load()
			delete(m.given, s)
		}
	}
	return used
}

// Close does nothing: the listener is everybody's.
func (m *StreamMux) Close() error { return nil }

// streams are an agent's TCP connections. Closing them ends the agent's part only:
// they stay open, if there are any, until the multiplexer, whose they are, closes them.
type streams struct {
	net.PacketConn                // immutable; the agent's share
	rest           net.PacketConn // immutable; a share that is read when that is closed
	handler        Handler        // immutable
	used           atomic.Bool    // a client has connected
	closed         atomic.Bool
}

// ReadFrom implements net.PacketConn.
func (s *streams) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	if err == nil && !s.used.Load() {
		s.used.Store(true)
	}
	return n, from, s.ended(err)
}

// WriteTo implements net.PacketConn.
func (s *streams) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := s.PacketConn.WriteTo(b, to)
	return n, s.ended(err)
}

// ended is what an agent knows as the end that it has made itself.
func (s *streams) ended(err error) error {
	if err != nil && s.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// Close implements net.PacketConn.
func (s *streams) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if !s.used.Load() {
		return errors.Join(s.rest.Close(), s.PacketConn.Close())
	}
	go s.readRest() // until the multiplexer closes them
	return s.PacketConn.Close()
}

// readRest takes the media of a client that does not know yet that the agent is gone.
func (s *streams) readRest() {
	b := make([]byte, maxFramed)
	for {
		n, _, err := s.rest.ReadFrom(b)
		if err != nil {
			_ = s.rest.Close()
			return
		}
		if isMedia(b[:n]) {
			batch := Borrow()
			s.handler.HandleMedia(b[:n], batch)
			batch.Return()
		}
	}
}
