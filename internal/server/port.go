package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// httpPort is an HTTP server on one port of some addresses.
type httpPort struct {
	name, key string // for errors: what it is, and what sets its number
	server    *http.Server
	bound     []net.Listener
	serving   sync.WaitGroup
}

// listen binds the port, 0 and -1 standing for any free one, on all addresses or,
// if there are none, everywhere, and serves it. An end that nobody asked for goes
// to failed.
func (p *httpPort) listen(addresses []string, port int, failed chan<- error) error {
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
			for _, l := range p.bound {
				_ = l.Close()
			}
			p.bound = nil
			return fmt.Errorf("bind %s port %d (choose another with %s): %w", p.name, port, p.key, err)
		}
		if port == 0 {
			port = l.Addr().(*net.TCPAddr).Port
		}
		p.bound = append(p.bound, l)
	}
	for _, l := range p.bound {
		p.serving.Go(func() {
			if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	return nil
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
	err := p.server.Shutdown(ctx)
	_ = p.server.Close()
	p.serving.Wait()
	return err
}

// optional says that a machine may lack the address: IPv6 loopback.
func optional(address string) bool { return address == "::1" }
