package transport

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// linger is how long TCP connections stay open that an agent has given up. It
	// restarts before its client hears of it: a client whose connection ends at
	// once, and that still writes to it, may take its whole transport for dead.
	linger = 2 * time.Second
	// maxFramed is the longest packet of ICE-TCP that is read, in bytes.
	maxFramed = 8192
	// maxFramedQueue is how many packets wait for the agent to read them.
	maxFramedQueue = 64
)

// streamMux is the part of an ICE-TCP multiplexer that an agent uses.
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
}

// Streams returns inner for the agent to use. Closing it leaves inner open.
func (l *Link) Streams(inner streamMux) *StreamMux { return &StreamMux{inner, l} }

// GetConnByUfrag returns the agent's share of the listener.
func (m *StreamMux) GetConnByUfrag(ufrag string, isIPv6 bool, local net.IP) (net.PacketConn, error) {
	c, err := m.streamMux.GetConnByUfrag(ufrag, isIPv6, local)
	if err != nil {
		return nil, err
	}
	return m.link.Adopt(newStreams(c, m.link.handler), true), nil
}

// RemoveConnByUfrag closes what the agent had by the name, a while later.
func (m *StreamMux) RemoveConnByUfrag(ufrag string) {
	time.AfterFunc(linger, func() { m.streamMux.RemoveConnByUfrag(ufrag) })
}

// Close does nothing: the listener is everybody's.
func (m *StreamMux) Close() error { return nil }

// streams are an agent's TCP connections. Closing them ends the agent's part only:
// they stay open until the multiplexer, whose they are, closes them.
type streams struct {
	net.PacketConn
	handler Handler // immutable
	reads   chan streamRead
	closedc chan struct{}
	close   func()
}

type streamRead struct {
	data []byte
	from net.Addr
	err  error
}

func newStreams(c net.PacketConn, h Handler) *streams {
	s := &streams{PacketConn: c, handler: h, reads: make(chan streamRead, maxFramedQueue), closedc: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.closedc) })
	go s.readAll() // until the multiplexer closes c
	return s
}

// readAll reads until the first error: agents read no further, either.
func (s *streams) readAll() {
	b := make([]byte, maxFramed)
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err == nil && isMedia(b[:n]) {
			batch := Borrow()
			s.handler.HandleMedia(b[:n], batch)
			batch.Return()
			continue
		}
		select {
		case s.reads <- streamRead{bytes.Clone(b[:n]), from, err}:
		case <-s.closedc:
		}
		if err != nil {
			return
		}
	}
}

// ReadFrom implements net.PacketConn.
func (s *streams) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case r := <-s.reads:
		if r.err == nil && len(r.data) > len(b) {
			return 0, r.from, io.ErrShortBuffer
		}
		return copy(b, r.data), r.from, r.err
	case <-s.closedc:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (s *streams) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-s.closedc:
		return 0, net.ErrClosed
	default:
		return s.PacketConn.WriteTo(b, to)
	}
}

// Close implements net.PacketConn.
func (s *streams) Close() error {
	s.close()
	return nil
}
