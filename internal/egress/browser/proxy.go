package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Dial connects to where a page wants to; it refuses what pages have no business
// with.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// proxy is what the browser reaches the network by.
type proxy struct {
	dial    Dial
	own     []string // addresses of this server, which pages may reach always
	server  *http.Server
	address string
	relayed *http.Transport
	running sync.WaitGroup // of tunnels

	mu      sync.Mutex
	tunnels map[net.Conn]bool
	closed  bool
	refused map[string]error // by address: why it was not reached the last time
}

// maxRefused bounds what is kept of what was not reached.
const maxRefused = 64

func newProxy(dial Dial, own []string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{dial: dial, own: own, address: "http://" + l.Addr().String(), tunnels: make(map[net.Conn]bool), refused: make(map[string]error)}
	p.relayed = &http.Transport{DialContext: p.connect, DisableCompression: true, MaxIdleConnsPerHost: 6, IdleConnTimeout: 30 * time.Second}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.running.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

func (p *proxy) connect(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	var err error
	if slices.Contains(p.own, address) {
		c, err = (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	} else {
		c, err = p.dial(ctx, network, address)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.refused, address)
	} else if len(p.refused) < maxRefused {
		p.refused[address] = err
	}
	return c, err
}

// why is why an address was not reached, nil if it was or nobody tried.
func (p *proxy) why(address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[address]
}

// hopByHop are headers of one connection (RFC 9110 §7.6.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"}

// ServeHTTP implements http.Handler: tunnels (RFC 9110 §9.3.6) and plain requests.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.tunnel(w, r)
		return
	}
	if r.URL.Scheme != "http" || r.URL.Host == "" {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	for _, h := range hopByHop {
		out.Header.Del(h)
	}
	resp, err := p.relayed.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	for _, h := range hopByHop {
		w.Header().Del(h)
	}
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = flush.Flush()
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				panic(http.ErrAbortHandler) // the browser is to know that it is not whole
			}
			return
		}
	}
}

func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := p.connect(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	if !p.keep(here, there) {
		return
	}
	defer p.running.Done()
	if _, err := fmt.Fprint(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(there, buffered)
			closeWrite(there)
		}()
		_, _ = io.Copy(here, there)
		closeWrite(here)
		<-done
	}
	p.drop(here, there)
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// keep notes the connections of a tunnel, or closes them if it is too late.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
		} else {
			p.tunnels[c] = true
		}
	}
	if !p.closed {
		p.running.Add(1)
	}
	return !p.closed
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.tunnels, c)
	}
}

// close ends all connections and returns when nothing runs any more.
func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.tunnels {
		_ = c.Close()
	}
	p.mu.Unlock()
	_ = p.server.Close()
	p.relayed.CloseIdleConnections()
	p.running.Wait()
}
