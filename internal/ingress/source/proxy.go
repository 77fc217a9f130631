package source

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// Guard says what is wrong with an address that a source is at; nil if nothing is.
type Guard func(netip.Addr) error

// dialer dials what passes the guard, after names are resolved.
func (g Guard) dialer() *net.Dialer {
	return &net.Dialer{
		Timeout: 10 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return g(ap.Addr())
		},
	}
}

// A proxy fetches for one child of ffmpeg, which can reach nothing else: every
// connection, also after a redirect or for a segment that a playlist names, is
// dialled here, under the guard. Who does not know its password is refused.
type proxy struct {
	URL string

	server    *http.Server
	transport *http.Transport
	dialer    *net.Dialer
	password  string
	tunnels   sync.WaitGroup
	serving   sync.WaitGroup

	mu      sync.Mutex
	refused error             // mu guards; by the guard, the first
	open    map[net.Conn]bool // mu guards; of tunnels
	closed  bool              // mu guards
}

func newProxy(g Guard) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{password: rand.Text(), open: make(map[net.Conn]bool)}
	p.dialer = Guard(func(a netip.Addr) error { return p.note(g(a)) }).dialer()
	p.transport = &http.Transport{DialContext: p.dialer.DialContext, DisableCompression: true, ResponseHeaderTimeout: 15 * time.Second}
	p.URL = (&url.URL{Scheme: "http", User: url.UserPassword("ffmpeg", p.password), Host: l.Addr().String()}).String()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.serving.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

// note remembers what the guard refuses: ffmpeg says only that it got an error.
func (p *proxy) note(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = err
	}
	return err
}

func (p *proxy) blocked() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// ServeHTTP implements http.Handler (RFC 9110 §7.6, §9.3.6).
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ffmpeg:"+p.password))
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) != 1 {
		w.Header().Set("Proxy-Authenticate", `Basic realm="ingress"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	switch {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	case r.URL.Scheme == "http" && r.URL.Host != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		p.forward(w, r)
	default:
		http.Error(w, "not here", http.StatusBadRequest)
	}
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	for _, h := range []string{"Proxy-Authorization", "Proxy-Connection", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade"} {
		out.Header.Del(h)
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		http.Error(w, "cannot be fetched", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		if name != "Connection" && name != "Keep-Alive" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w)
	for buf := make([]byte, 32<<10); ; { // live streams come in small pieces
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = flush.Flush()
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := p.dialer.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "cannot be reached", http.StatusBadGateway)
		return
	}
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	if !p.keep(near, far) {
		return
	}
	defer p.drop(near, far)
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, buffered)
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

// keep notes connections that Close has to close.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
		} else {
			p.open[c] = true
		}
	}
	if !p.closed {
		p.tunnels.Add(1)
	}
	return !p.closed
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.open, c)
	}
	p.tunnels.Done()
}

// Close ends it with all connections.
func (p *proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	err := p.server.Close()
	p.serving.Wait()
	p.tunnels.Wait()
	p.transport.CloseIdleConnections()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
