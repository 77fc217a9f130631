package source

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
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

// A proxy fetches for one child of ffmpeg, which can reach nothing else: it speaks
// plain HTTP to this proxy alone, and also after a redirect or for a segment that a
// playlist names, every connection is dialled here, under the guard, with TLS where
// that is meant. Who does not know its password is refused.
type proxy struct {
	URL string

	alias     *alias
	server    *http.Server
	transport *http.Transport
	password  string
	serving   sync.WaitGroup

	mu      sync.Mutex
	refused error // mu guards; why something was not fetched, the first
	cut     bool  // mu guards; the last answer ended in the middle
}

// newProxy starts one for a source. Nil roots stand for the system's.
func newProxy(g Guard, source *alias, roots *x509.CertPool) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{alias: source, password: rand.Text()}
	dialer := Guard(func(a netip.Addr) error { return p.note(g(a)) }).dialer()
	p.transport = &http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: roots}, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	p.URL = (&url.URL{Scheme: "http", User: url.UserPassword("ffmpeg", p.password), Host: l.Addr().String()}).String()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.serving.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

// note remembers why something is refused: ffmpeg says only that it got an error.
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

// answers notes that an answer begins, or that it is cut off. A child takes that for the
// end of its source, or, of a playlist, leaves out what is missing and goes on.
func (p *proxy) answers(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

// errCut is why a source has failed whose last answer ended in the middle.
var errCut = errors.New("the connection to the source broke in the middle of what it sends")

// broken is errCut if that is so.
func (p *proxy) broken() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return errCut
	}
	return nil
}

// ServeHTTP implements http.Handler (RFC 9110 §7.6). There are no tunnels.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ffmpeg:"+p.password))
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) != 1 {
		w.Header().Set("Proxy-Authenticate", `Basic realm="ingress"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.URL.Scheme != "http" || r.URL.Host == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.Error(w, "not here", http.StatusBadRequest)
		return
	}
	if err := p.forward(w, r); err != nil {
		http.Error(w, "cannot be fetched", http.StatusBadGateway)
	}
}

// cookieDomain is dropped where a child knows a host by another name.
var cookieDomain = regexp.MustCompile(`(?i);\s*domain=[^;]*`)

// forward fails if nothing is answered yet.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) error {
	out := r.Clone(r.Context())
	out.RequestURI, out.Host, out.Body = "", "", nil
	p.alias.restore(out.URL)
	for _, h := range []string{"Proxy-Authorization", "Proxy-Connection", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade"} {
		out.Header.Del(h)
	}
	out.Header.Set("Accept-Encoding", "identity")
	if user := out.URL.User; user != nil && out.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		out.SetBasicAuth(user.Username(), password)
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		var invalid *tls.CertificateVerificationError
		if errors.As(err, &invalid) {
			_ = p.note(fmt.Errorf("the source's certificate: %w", invalid.Err))
		}
		return err
	}
	defer resp.Body.Close()
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return p.note(fmt.Errorf("the source encodes with %.16q, which was not asked for", e))
	}
	for name, values := range resp.Header {
		switch name {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Alt-Svc", "Strict-Transport-Security":
			continue
		case "Set-Cookie":
			for i, v := range values {
				if out.URL.Scheme == "https" {
					values[i] = cookieDomain.ReplaceAllString(v, "")
				}
			}
		}
		w.Header()[name] = values
	}
	if to := resp.Header.Get("Location"); to != "" {
		plain, err := toPlain(to, out.URL.Scheme)
		if err != nil {
			return p.note(err)
		}
		w.Header().Set("Location", plain)
	}
	body := bufio.NewReader(resp.Body)
	if r.Method == http.MethodGet && resp.StatusCode < 300 && isPlaylist(body) {
		return p.playlist(w, body, out.URL.Scheme)
	}
	p.answers(false)
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w)
	for buf := make([]byte, 32<<10); ; { // live streams come in small pieces
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return nil
			}
			_ = flush.Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil { // what is cut off is not to be taken for whole
			if r.Context().Err() == nil { // else the child has had enough
				p.answers(true)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// playlist answers with what a child can follow, always whole.
func (p *proxy) playlist(w http.ResponseWriter, body io.Reader, scheme string) error {
	text, err := rewritePlaylist(body, scheme)
	if err != nil {
		return p.note(err)
	}
	for _, h := range []string{"Accept-Ranges", "Content-Range", "Etag", "Content-Md5", "Digest"} {
		w.Header().Del(h)
	}
	p.answers(false)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
	return nil
}

// Close ends it with all connections.
func (p *proxy) Close() error {
	err := p.server.Close()
	p.serving.Wait()
	p.transport.CloseIdleConnections()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
