package turn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// strangerTimeout is how long a connection may go without an allocation.
	strangerTimeout = 20 * time.Second
	// streamIdle is longer than clients leave an allocation unrefreshed (RFC
	// 8656 §3.2: its lifetime is ten minutes).
	streamIdle = 12 * time.Minute
	// writeTimeout is how long a client may not read before it is given up.
	writeTimeout = 10 * time.Second
	// acceptPause follows a failed accept: too many open files, usually.
	acceptPause = 50 * time.Millisecond
)

// streamListener accepts connections for TURN over TLS, within limits.
type streamListener struct {
	net.Listener
	server *Server
	tls    *tls.Config // nil: somebody before us ends TLS
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener. It fails only when the listener is closed.
func (l *streamListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			select {
			case <-l.closed:
				return nil, net.ErrClosed
			case <-time.After(acceptPause):
			}
			continue
		}
		if s := l.server.stream(conn, l.tls); s != nil {
			return s, nil
		}
		_ = conn.Close()
	}
}

// Close implements net.Listener.
func (l *streamListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// stream is a client's connection. It shakes hands on the first read, so that a
// slow one keeps nobody waiting.
type stream struct {
	net.Conn
	server *Server
	peer   netip.Prefix
	born   time.Time
	relays atomic.Int32
	once   sync.Once
}

// streamKey names a connection by both its ends: an address and port may be connected
// to two of the server's.
func streamKey(remote, local net.Addr) string { return remote.String() + " " + local.String() }

// stream takes a connection; nil if there are too many.
func (s *Server) stream(conn net.Conn, config *tls.Config) *stream {
	c := &stream{Conn: conn, server: s, peer: addressKey(conn.RemoteAddr()), born: time.Now()}
	if config != nil {
		c.Conn = tls.Server(conn, config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.streams) >= s.opts.Limits.Connections || !s.balanced(conn.RemoteAddr()) && s.streamsFrom[c.peer] >= s.opts.Limits.PerAddress {
		s.counters.overQuota.Add(1)
		return nil
	}
	s.streams[streamKey(conn.RemoteAddr(), conn.LocalAddr())] = c
	s.streamsFrom[c.peer]++
	return c
}

func (c *stream) allocated()   { c.relays.Add(1) }
func (c *stream) deallocated() { c.relays.Add(-1) }

// Read implements net.Conn. Who has no allocation has little time.
func (c *stream) Read(p []byte) (int, error) {
	deadline := time.Now().Add(streamIdle)
	if c.relays.Load() == 0 {
		deadline = c.born.Add(strangerTimeout)
	}
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. A client that does not read is cut off.
func (c *stream) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// Close implements net.Conn.
func (c *stream) Close() error {
	c.once.Do(func() {
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		delete(c.server.streams, streamKey(c.RemoteAddr(), c.LocalAddr()))
		if c.server.streamsFrom[c.peer]--; c.server.streamsFrom[c.peer] <= 0 {
			delete(c.server.streamsFrom, c.peer)
		}
	})
	return c.Conn.Close()
}
