package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/rollcall-rtc/rollcall/internal/stack"
)

// Listener is a listener for an http.Server that keeps requests for WebSockets to itself.
type Listener struct {
	net.Listener
	server *http.Server  // immutable
	paths  []string      // immutable
	log    *slog.Logger  // immutable
	others chan accepted // connections for the server
	begin  sync.Once     // of what accepts

	ctx  context.Context // ends with Close, under mu
	stop context.CancelFunc

	mu      sync.Mutex
	waiting map[net.Conn]struct{} // mu guards; they have not sent a request yet
	running sync.WaitGroup        // of goroutines that serve nobody yet
}

type accepted struct {
	conn net.Conn
	err  error
}

// Wrap has the handler of server answer requests for WebSockets at paths that come by l.
// The listener that it returns is for Serve of that server, not for ServeTLS.
func Wrap(l net.Listener, server *http.Server, log *slog.Logger, paths ...string) *Listener {
	wrapped := &Listener{
		Listener: l, server: server, paths: paths, log: log,
		others: make(chan accepted), waiting: make(map[net.Conn]struct{}),
	}
	wrapped.ctx, wrapped.stop = context.WithCancel(context.Background())
	return wrapped
}

// Accept implements net.Listener: it returns connections that are for net/http.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ctx.Err() == nil {
			l.running.Go(l.accept)
		}
	})
	select {
	case a := <-l.others:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// accept accepts until the listener is closed. After an error the server, which hears of
// it, calls Accept again when it has waited for a while.
func (l *Listener) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if !l.pass(accepted{nil, err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if l.enter(conn) {
			go l.serve(conn)
		}
	}
}

// pass hands something to the server, and reports false if that wants nothing any more.
func (l *Listener) pass(a accepted) bool {
	select {
	case l.others <- a:
		return true
	case <-l.ctx.Done():
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

// enter takes a connection over, which Close closes until leave.
func (l *Listener) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		_ = conn.Close()
		return false
	}
	l.waiting[conn] = struct{}{}
	l.running.Add(1)
	return true
}

func (l *Listener) leave(conn net.Conn) {
	l.mu.Lock()
	delete(l.waiting, conn)
	l.mu.Unlock()
}

// Close implements net.Listener. Connections that have sent no request end; those that
// handlers have are theirs.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.ctx.Err() != nil {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.stop()
	for conn := range l.waiting {
		_ = conn.Close()
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

// serve reads what comes first and answers it, or leaves that to the server.
func (l *Listener) serve(conn net.Conn) {
	stack.ReserveSome() // a request goes deep, and by then there is much to copy
	r, head, err := l.read(conn)
	l.leave(conn)
	switch {
	case err != nil:
		_ = conn.Close()
	case r == nil:
		l.pass(accepted{&begun{Conn: conn, head: head}, nil})
	}
	l.running.Done()
	if r != nil {
		l.answer(conn, r)
	}
}

// answer has the handler answer r, as the only request of conn.
func (l *Listener) answer(conn net.Conn, r *http.Request) {
	w := &writer{conn: conn}
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				l.log.Error("BUG: handler of a WebSocket panics", "panic", v, "stack", string(debug.Stack()))
			}
			_ = conn.Close()
		}
	}()
	l.server.Handler.ServeHTTP(w, r)
	w.finish(r)
}

// maxHead is how long a request may be that is answered here, in bytes.
const maxHead = 8 << 10

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHead) }}

// read reads what comes first. If that is no request for here, it returns what it has read.
// Errors are for nobody: the client is gone, or has sent nothing whole for too long.
func (l *Listener) read(conn net.Conn) (r *http.Request, head []byte, err error) {
	if d := l.server.ReadHeaderTimeout; d > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
			return nil, nil, err
		}
	}
	br := readers.Get().(*bufio.Reader)
	br.Reset(conn)
	defer func() {
		br.Reset(nil)
		readers.Put(br)
	}()
	for {
		_, err := br.Peek(br.Buffered() + 1)
		head, _ = br.Peek(br.Buffered())
		if err != nil {
			if errors.Is(err, io.EOF) && len(head) > 0 {
				return nil, bytes.Clone(head), nil // net/http knows what to say to half a request
			}
			return nil, nil, err
		}
		if !l.mayBe(head) || len(head) == maxHead {
			return nil, bytes.Clone(head), nil
		}
		if bytes.Contains(head, []byte("\n\r\n")) || bytes.Contains(head, []byte("\n\n")) {
			break
		}
	}
	// All of it is in the buffer, where it stays: nothing reads further.
	if r = l.request(br, head); r == nil {
		return nil, bytes.Clone(head), nil
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	r.RemoteAddr = conn.RemoteAddr().String()
	return r, nil, nil
}

// mayBe says whether what begins with head may be a request for here.
func (l *Listener) mayBe(head []byte) bool {
	const method = "GET "
	if n := min(len(head), len(method)); string(head[:n]) != method[:n] {
		return false
	} else if n < len(method) {
		return true
	}
	target := head[len(method):]
	for _, path := range l.paths {
		n := min(len(target), len(path))
		if string(target[:n]) == path[:n] && (len(target) <= len(path) || target[n] == '?' || target[n] == ' ') {
			return true
		}
	}
	return false
}

// request parses head, which is what br has, and returns nil if that is not just a request
// for a WebSocket, or if net/http might not take it.
func (l *Listener) request(br *bufio.Reader, head []byte) *http.Request {
	hosts := 0
	for i, c := range head {
		switch {
		case c == '\n' && len(head)-i > len("\nhost:") && strings.EqualFold(string(head[i+1:i+len("\nhost:")]), "host:"):
			hosts++
		case (c < ' ' || c > '~') && c != '\r' && c != '\n':
			return nil
		}
	}
	if hosts != 1 {
		return nil
	}
	r, err := http.ReadRequest(br)
	if err != nil || br.Buffered() > 0 || r.Proto != "HTTP/1.1" || !httpguts.ValidHostHeader(r.Host) || r.ContentLength != 0 || r.Header.Get("Expect") != "" ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil
	}
	for name := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil
		}
	}
	return r
}

// begun is a connection of which the beginning has been read.
type begun struct {
	net.Conn
	head []byte // not read by others yet
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	if b.head = b.head[n:]; len(b.head) == 0 {
		b.head = nil
	}
	return n, nil
}

// CloseWrite is for net/http, which has the client read an answer before it sees that the
// connection ends.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
