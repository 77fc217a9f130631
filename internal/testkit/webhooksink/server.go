package webhooksink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a listening sink.
type Server struct {
	// URL is where it listens.
	URL string

	handler http.Handler // immutable
	tls     *tls.Config  // immutable
	addr    string       // immutable after Listen

	mu   sync.Mutex
	srv  *http.Server // mu guards; nil while it is down
	done chan struct{}
}

// Listen serves h (a *Sink, or Control) on a loopback address such as
// "127.0.0.1:0", with TLS if conf is not nil.
func Listen(addr string, h http.Handler, conf *tls.Config) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen for webhooks on %q: only loopback addresses are used", addr)
	}
	s := &Server{handler: h, tls: conf, addr: addr}
	if err := s.Up(); err != nil {
		return nil, err
	}
	return s, nil
}

// Up listens again, on the address it had.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	s.addr = l.Addr().String()
	s.URL = "http://" + s.addr
	if s.tls != nil {
		s.URL = "https://" + s.addr
	}
	s.srv, s.done = serve(l, s.handler, s.tls)
	return nil
}

// Down refuses connections, and breaks those that it has.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil {
		return
	}
	s.srv.Close()
	<-s.done
	s.srv = nil
}

// Close takes it down for good, and its sink with it.
func (s *Server) Close() {
	if sink, ok := s.handler.(*Sink); ok {
		sink.Close()
	}
	s.Down()
}

func serve(l net.Listener, h http.Handler, conf *tls.Config) (*http.Server, chan struct{}) {
	srv := &http.Server{Handler: h, TLSConfig: conf, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conf != nil {
			srv.ServeTLS(l, "", "")
		} else {
			srv.Serve(l)
		}
	}()
	return srv, done
}

// Pipe is a network in memory: hosts by name, each with one sink. Nothing in it
// waits for the operating system, so it runs in testing/synctest bubbles.
type Pipe struct {
	mu    sync.Mutex
	hosts map[string]*pipeHost // mu guards
}

type pipeHost struct {
	srv   *http.Server
	done  chan struct{}
	conns chan net.Conn
	down  bool
	open  map[net.Conn]struct{}
}

var errRefused = errors.New("connection refused")

// NewPipe returns a network without hosts.
func NewPipe() *Pipe { return &Pipe{hosts: make(map[string]*pipeHost)} }

// Serve adds a host "name:80", or "name:443" with TLS if conf is not nil.
func (p *Pipe) Serve(name string, h http.Handler, conf *tls.Config) {
	addr := name + ":80"
	if conf != nil {
		addr = name + ":443"
	}
	host := &pipeHost{conns: make(chan net.Conn), open: make(map[net.Conn]struct{})}
	host.srv, host.done = serve(&pipeListener{conns: host.conns, closed: make(chan struct{})}, h, conf)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[addr] = host
}

// SetDown lets a host refuse connections and breaks those that it has, or lets
// it accept them again.
func (p *Pipe) SetDown(addr string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.hosts[addr]
	host.down = down
	if down {
		for conn := range host.open {
			conn.Close()
		}
		clear(host.open)
	}
}

// DialContext connects to a host.
func (p *Pipe) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	host := p.hosts[addr]
	if host == nil || host.down {
		p.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errRefused}
	}
	client, server := net.Pipe()
	host.open[server] = struct{}{}
	p.mu.Unlock()
	select {
	case host.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops all hosts.
func (p *Pipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, host := range p.hosts {
		host.srv.Close()
		<-host.done
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (pipeAddr) String() string { return "pipe" }
