package outbox

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Conn is a WebSocket that an Outbox writes to.
type Conn struct {
	*websocket.Conn
	line *line
}

// Accept is websocket.Accept. What o has queued by then goes out with the answer; call
// Begin next.
func (o *Outbox) Accept(w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*Conn, error) {
	u := &upgrade{ResponseWriter: w, hold: o.waiting()}
	conn, err := websocket.Accept(u, r, opts)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, u.line}, nil
}

// Receive is Read into b, if that is long enough, without a context: a context costs more
// than all else that is done to read a short message. Drop ends it. What is longer than
// most is websocket.ErrMessageTooBig, and the connection can be written to still.
func (c *Conn) Receive(b []byte, most int) (websocket.MessageType, []byte, error) {
	kind, r, err := c.Reader(context.Background())
	if err != nil {
		return 0, nil, err
	}
	b = b[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > most:
			return 0, nil, websocket.ErrMessageTooBig
		case err == nil:
		case err == io.EOF:
			return kind, b, nil
		default:
			return 0, nil, err
		}
	}
}

// Drop ends the connection under the WebSocket, and with it what reads and writes.
func (c *Conn) Drop() { _ = c.line.Close() }

// waiting says whether anything is queued.
func (o *Outbox) waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0
}

// upgrade is the answer to a request that becomes a WebSocket. It puts a line between
// that and its connection, and writes to the line itself.
type upgrade struct {
	http.ResponseWriter
	hold bool
	line *line // nil before Hijack
}

// WriteHeader implements http.ResponseWriter. Hijack writes the answer that is the
// last one of HTTP.
func (u *upgrade) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
	}
}

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.line = &line{Conn: conn, back: u.hold}
	rw.Writer.Reset(u.line)
	_, _ = rw.Writer.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = u.Header().Write(rw.Writer)
	_, _ = rw.Writer.WriteString("\r\n")
	if err := rw.Writer.Flush(); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return u.line, rw, nil
}

// maxHeld is how much a line holds back, in bytes.
const maxHeld = 32 << 10

// letters hold what lines hold back, until it is written.
var letters = sync.Pool{New: func() any { return new([]byte) }}

// line is a connection that may hold back what is written, until more is written that
// it does not hold back. Nobody writes to it at the same time as another, as the
// WebSocket sees to.
type line struct {
	net.Conn

	mu   sync.Mutex
	back bool    // mu guards
	held *[]byte // mu guards; of letters; nil while there is nothing
}

func (l *line) hold(back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = back
}

// Write implements net.Conn.
func (l *line) Write(b []byte) (int, error) {
	held, now := l.take(b)
	if !now {
		return len(b), nil
	}
	if held == nil {
		return l.Conn.Write(b)
	}
	defer giveBack(held)
	if n, err := l.Conn.Write(*held); err != nil {
		return max(0, n-(len(*held)-len(b))), err
	}
	return len(b), nil
}

// flush writes what is held back, without anything that follows it.
func (l *line) flush() error {
	l.hold(false)
	held, _ := l.take(nil)
	if held == nil {
		return nil
	}
	defer giveBack(held)
	if err := l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := l.Conn.Write(*held); err != nil {
		return err
	}
	return l.Conn.SetWriteDeadline(time.Time{})
}

// take returns what was held back with b behind it, nil if nothing was, if that is to be
// written now.
func (l *line) take(b []byte) (held *[]byte, now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := 0
	if l.held != nil {
		waits = len(*l.held)
	}
	now = !l.back || waits+len(b) > maxHeld
	if now && l.held == nil {
		return nil, true
	}
	if l.held == nil {
		l.held = letters.Get().(*[]byte)
	}
	*l.held = append(*l.held, b...)
	if !now {
		return nil, false
	}
	held, l.held = l.held, nil
	return held, true
}

// giveBack is for what was written: writers do not keep it.
func giveBack(held *[]byte) {
	if cap(*held) <= 2*maxHeld {
		*held = (*held)[:0]
		letters.Put(held)
	}
}
