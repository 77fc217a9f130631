package peer

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pion/logging"
)

const (
	// acceptPause is how long a listener waits when the system has no more files or
	// memory for a connection.
	acceptPause = 100 * time.Millisecond

	// unclaimedFor is how long a connection of ICE-TCP stays that no client's agent
	// has asked for. Agents ask before their client knows the port.
	unclaimedFor = time.Second
)

// patientListener goes on where a plain one fails for the moment: pion's
// multiplexer would never accept again. Its end is that of what it has accepted,
// which the multiplexer would wait for otherwise: for half a minute, if a client
// has connected and says nothing.
type patientListener struct {
	net.Listener
	log logging.LeveledLogger

	mu       sync.Mutex
	closed   bool                       // mu guards
	accepted map[*acceptedConn]struct{} // mu guards
}

func newPatientListener(l net.Listener, log logging.LeveledLogger) *patientListener {
	return &patientListener{Listener: l, log: log, accepted: make(map[*acceptedConn]struct{})}
}

// acceptedConn is a connection that its listener knows until it is closed.
type acceptedConn struct {
	net.Conn
	listener *patientListener
}

// Accept returns an error only if the listener is of no more use.
func (l *patientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case errors.Is(err, syscall.ECONNABORTED):
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
			errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			l.log.Warnf("connection not accepted: %v", err)
			time.Sleep(acceptPause)
		case err != nil:
			return nil, err
		default:
			return l.keep(conn)
		}
	}
}

func (l *patientListener) keep(conn net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	c := &acceptedConn{conn, l}
	l.accepted[c] = struct{}{}
	return c, nil
}

// Close implements net.Listener.
func (l *patientListener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.accepted {
		_ = c.Conn.Close()
	}
	clear(l.accepted)
	return err
}

// Close implements net.Conn.
func (c *acceptedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.accepted, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
