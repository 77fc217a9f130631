package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/tcp"
)

// httpPort is an HTTP server on one port of some addresses.
type httpPort struct {
	name, key string      // for errors: what it is, and what sets its number
	tls       *tls.Config // nil: plain, or TLS has ended before
	bound     []net.Listener
	wrap      func(net.Listener, *http.Server) net.Listener // nil: nothing is between them
	server    *http.Server                                  // nil before serve
	serving   sync.WaitGroup
}

// bind takes the port, 0 and -1 standing for any free one, on all addresses or, if
// there are none, everywhere.
func (p *httpPort) bind(addresses []string, port int) error {
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	port = max(port, 0)
	for _, address := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if err != nil {
			if len(p.bound) > 0 && optional(address) {
				continue // a machine without IPv6 still has the other loopback address
			}
			return fmt.Errorf("bind %s port %d (choose another with %s): %w", p.name, port, p.key, err)
		}
		if port == 0 {
			port = l.Addr().(*net.TCPAddr).Port
		}
		p.bound = append(p.bound, tcp.Wrap(l))
	}
	return nil
}

// serve answers requests. An end that nobody asked for goes to failed.
func (p *httpPort) serve(server *http.Server, failed chan<- error) {
	p.server = server
	if p.tls != nil {
		server.TLSConfig = p.tls
	}
	for i, l := range p.bound {
		if p.wrap != nil {
			l = p.wrap(l, server)
			p.bound[i] = l
		}
		p.serving.Go(func() {
			serve := func() error { return server.Serve(l) }
			if p.tls != nil {
				serve = func() error { return server.ServeTLS(l, "", "") }
			}
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
}

// addr is where clients connect, nil if nothing was bound.
func (p *httpPort) addr() net.Addr {
	if p == nil || len(p.bound) == 0 {
		return nil
	}
	return p.bound[0].Addr()
}

// stop ends the server when its requests are answered, or with ctx. A nil one has
// ended.
func (p *httpPort) stop(ctx context.Context) error {
	if p == nil {
		return nil
	}
	var err error
	if p.server != nil {
		err = p.server.Shutdown(ctx)
		_ = p.server.Close()
	}
	for _, l := range p.bound {
		_ = l.Close()
	}
	p.serving.Wait()
	return err
}

// optional says that a machine may lack the address: IPv6 loopback.
func optional(address string) bool { return address == "::1" }
