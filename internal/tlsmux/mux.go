package tlsmux

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// handshakeTimeout is how long a client may take to agree on keys.
	handshakeTimeout = 10 * time.Second
	// silence is how long a client may then say nothing; browsers open connections
	// that they may need later.
	silence = 2 * time.Minute
	// maxPending is how many connections may be at that; the one that has been for
	// longest makes room for another.
	maxPending = 16384
	// acceptPause follows a failed accept: too many open files, usually.
	acceptPause = 50 * time.Millisecond
)

// Mux takes connections from a listener, ends TLS, and hands them on.
type Mux struct {
	listener net.Listener // immutable
	config   *tls.Config  // immutable
	web      *side        // immutable
	turn     *side        // immutable

	maxPending int // immutable

	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex
	pending list.List // mu guards; of net.Conn, in the order they came
	running sync.WaitGroup
}

// New begins to take connections from l. Close it.
func New(l net.Listener, config *tls.Config) *Mux { return newMux(l, config, maxPending) }

func newMux(l net.Listener, config *tls.Config, maxPending int) *Mux {
	m := &Mux{listener: l, config: config, maxPending: maxPending}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.web, m.turn = newSide(l.Addr()), newSide(l.Addr())
	m.running.Go(m.accept)
	return m
}

// Web are the connections of HTTP.
func (m *Mux) Web() net.Listener { return m.web }

// TURN are those of TURN, on which TLS has ended.
func (m *Mux) TURN() net.Listener { return m.turn }

// Close closes the listener and what waits, and returns when that has ended.
// Connections that were handed on stay open.
func (m *Mux) Close() error {
	m.stop()
	err := m.listener.Close()
	m.mu.Lock()
	for e := m.pending.Front(); e != nil; e = e.Next() {
		_ = e.Value.(net.Conn).Close()
	}
	m.mu.Unlock()
	m.running.Wait()
	_ = m.web.Close()
	_ = m.turn.Close()
	return err
}

func (m *Mux) accept() {
	for {
		conn, err := m.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		entry := m.enter(conn)
		if entry == nil {
			_ = conn.Close()
			continue
		}
		m.running.Go(func() {
			defer m.exit(entry)
			if m.sort(conn) != nil {
				_ = conn.Close()
			}
		})
	}
}

// enter makes a connection one of the pending; nil once the mux is closed.
func (m *Mux) enter(conn net.Conn) *list.Element {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return nil
	}
	if m.pending.Len() >= m.maxPending {
		_ = m.pending.Remove(m.pending.Front()).(net.Conn).Close()
	}
	return m.pending.PushBack(conn)
}

// exit is of no effect on one that has made room for another.
func (m *Mux) exit(entry *list.Element) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending.Remove(entry)
}

// isTURN says whether the first byte is that of a STUN message: of its fourteen
// bits of type, requests have the upper ones clear.
func isTURN(first byte) bool { return first < 4 }

// sort hands a connection on, or says why it cannot.
func (m *Mux) sort(raw net.Conn) error {
	conn := tls.Server(raw, m.config)
	ctx, cancel := context.WithTimeout(m.ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case "h2":
		return m.web.take(m.ctx, conn)
	case "", "http/1.1":
	default:
		return io.EOF // the handshake was all that there is to it, as of acme-tls/1
	}
	if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	to := m.web
	if isTURN(first[0]) {
		to = m.turn
	}
	return to.take(m.ctx, &begun{Conn: conn, first: first})
}

// begun is a connection of which the first byte was read.
type begun struct {
	*tls.Conn
	first []byte // reader only
}

// Read implements net.Conn.
func (c *begun) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// side is where connections of one kind are accepted.
type side struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newSide(addr net.Addr) *side {
	return &side{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (s *side) take(ctx context.Context, conn net.Conn) error {
	select {
	case s.conns <- conn:
		return nil
	case <-s.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements net.Listener.
func (s *side) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *side) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Addr implements net.Listener.
func (s *side) Addr() net.Addr { return s.addr }
