package ffmpeg

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// relay is what a child reaches a server by: a port of this machine, of which the
// connections go on to that server. So it is us who look up its name, who dial it,
// under the guard, and who verify its certificate.
type relay struct {
	listener net.Listener
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	server   string // host and port
	secure   bool   // by TLS
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup // of connections, and of what accepts them

	mu    sync.Mutex
	err   error // why the server was not reached the last time
	conns map[net.Conn]bool
}

// drainTime is how long what the child has sent may take to get to the server once
// the child is gone.
const drainTime = time.Second

func newRelay(dial func(ctx context.Context, network, address string) (net.Conn, error), server string, secure bool) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{listener: l, dial: dial, server: server, secure: secure, ctx: ctx, cancel: cancel, conns: make(map[net.Conn]bool)}
	r.running.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.carry(here) })
		}
	})
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// problem is why the server was not reached the last time, nil if it was.
func (r *relay) problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// carry has one connection go on to the server, until one of both ends it.
func (r *relay) carry(here net.Conn) {
	defer here.Close()
	there, err := r.connect()
	r.mu.Lock()
	r.err = err
	if err == nil {
		r.conns[there] = true
	}
	r.mu.Unlock()
	if err != nil {
		return
	}
	defer func() {
		_ = there.Close()
		r.mu.Lock()
		delete(r.conns, there)
		r.mu.Unlock()
	}()
	back := make(chan struct{})
	go func() { // ends with either connection
		defer close(back)
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}()
	_, _ = io.Copy(there, here)
	if half, ok := there.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = there.SetReadDeadline(time.Now().Add(drainTime))
	<-back
}

// connect makes the connection to the server.
func (r *relay) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	c, err := r.dial(ctx, "tcp", r.server)
	if err != nil || !r.secure {
		return c, err
	}
	host, _, err := net.SplitHostPort(r.server)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	secured := tls.Client(c, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return secured, nil
}

// close lets what is under way arrive for a while, and returns when nothing runs any
// more.
func (r *relay) close() {
	_ = r.listener.Close()
	r.cancel() // what is not connected will not be
	late := time.AfterFunc(drainTime, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for c := range r.conns {
			_ = c.Close()
		}
	})
	defer late.Stop()
	r.running.Wait()
}
