package outbox

import (
	"bufio"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// Conn is a WebSocket that an Outbox writes to.
type Conn struct {
	*websocket.Conn
	line *line
}

// Accept is websocket.Accept.
func Accept(w http.ResponseWriter, r *http.Request, o *websocket.AcceptOptions) (*Conn, error) {
	u := &upgrade{ResponseWriter: w}
	conn, err := websocket.Accept(u, r, o)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, u.line}, nil
}

// upgrade puts a line between a WebSocket and its connection.
type upgrade struct {
	http.ResponseWriter
	line *line
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.line = &line{Conn: conn}
	rw.Writer.Reset(u.line)
	return u.line, rw, nil
}

// maxHeld is how much a line holds back, in bytes.
const maxHeld = 32 << 10

// line is a connection that may hold back what is written, until more is written that
// it does not hold back. Nobody writes to it at the same time as another, as the
// WebSocket sees to.
type line struct {
	net.Conn

	mu   sync.Mutex
	back bool   // mu guards
	held []byte // mu guards
}

func (l *line) hold(back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = back
}

// Write implements net.Conn.
func (l *line) Write(b []byte) (int, error) {
	all, now := l.take(b)
	if !now {
		return len(b), nil
	}
	if n, err := l.Conn.Write(all); err != nil {
		return max(0, n-(len(all)-len(b))), err
	}
	return len(b), nil
}

// take returns what is to be written before and with b, if it is to be now.
func (l *line) take(b []byte) (all []byte, now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back && len(l.held)+len(b) <= maxHeld {
		l.held = append(l.held, b...)
		return nil, false
	}
	if len(l.held) > 0 {
		b = append(l.held, b...)
		l.held = nil
	}
	return b, true
}
