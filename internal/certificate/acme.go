package certificate

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEOptions say whom to ask for certificates, and for what. Domains, CacheDir
// and Logger are required.
type ACMEOptions struct {
	// Domains are the names that certificates are asked for, and no others.
	Domains []string
	// Email is where the authority writes to; may be empty.
	Email string
	// Directory is the URL of the authority's directory; empty: Let's Encrypt.
	Directory string
	// CAFile are PEM certificates to trust in place of the system's roots when
	// talking to the authority; empty: the system's.
	CAFile string
	// CacheDir keeps the account and the certificates; it holds secret keys.
	CacheDir string
	Logger   *slog.Logger
}

// ACME asks an authority for certificates, and again before they expire.
type ACME struct {
	manager *autocert.Manager // immutable
	domains []string          // immutable
	log     *slog.Logger      // immutable
	ctx     context.Context   // of requests to the authority
	stop    context.CancelFunc
	running sync.WaitGroup
}

// NewACME returns an ACME that has asked for nothing yet.
func NewACME(o ACMEOptions) (*ACME, error) {
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.CacheDir),
		HostPolicy: autocert.HostWhitelist(o.Domains...), Email: o.Email,
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: %s holds none", ErrCertificate, o.CAFile)
		}
	}
	a := &ACME{manager: m, domains: o.Domains, log: o.Logger}
	a.ctx, a.stop = context.WithCancel(context.Background())
	m.Client = &acme.Client{
		DirectoryURL: cmp.Or(o.Directory, acme.LetsEncryptURL), UserAgent: "rollcall",
		HTTPClient: &http.Client{
			Timeout:   time.Minute,
			Transport: until{a.ctx, &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust}},
		},
	}
	return a, nil
}

// until makes no more requests once its context has ended. autocert has none that
// could be ended otherwise.
type until struct {
	ctx  context.Context
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (u until) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	return u.next.RoundTrip(r)
}

// Protocol is that of the handshakes with which the authority checks a name
// (RFC 8737); it has to be among tls.Config.NextProtos.
const Protocol = acme.ALPNProto

// Certificate returns the certificate for the name that the client asks for;
// tls.Config.GetCertificate. For clients that name none it is that of the first
// domain.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.domains[0]
		hello = &named
	}
	return a.manager.GetCertificate(hello)
}

// HTTP answers the authority on port 80 (RFC 8555 §8.3), and next everything else.
func (a *ACME) HTTP(next http.Handler) http.Handler {
	answers := a.manager.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The manager knows names without ports, which a private authority may add.
		if host, _, err := net.SplitHostPort(r.Host); err == nil && strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			named := *r
			named.Host = host
			r = &named
		}
		answers.ServeHTTP(w, r)
	})
}

// retry is how long after a failure the authority is asked again.
const retry = time.Minute

// Start has the certificates fetched now, and not by the first client: until then
// it would wait. The server has to answer the authority meanwhile.
func (a *ACME) Start() {
	for _, domain := range a.domains {
		a.running.Go(func() { a.obtain(domain) })
	}
}

func (a *ACME) obtain(domain string) {
	hello := &tls.ClientHelloInfo{
		ServerName: domain,
		// As today's clients: autocert makes ECDSA certificates for those.
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	for {
		c, err := a.manager.GetCertificate(hello)
		if err == nil {
			a.log.Info("certificate is there", "domain", domain, "until", c.Leaf.NotAfter)
			return
		}
		if a.ctx.Err() != nil {
			return
		}
		a.log.Error("no certificate from the authority yet", "domain", domain, "error", err, "retry_in", retry)
		select {
		case <-a.ctx.Done():
			return
		case <-time.After(retry):
		}
	}
}

// Close ends what Start began: it waits for a request that is under way, within
// ctx, and makes no more of them.
func (a *ACME) Close(ctx context.Context) error {
	a.stop()
	done := make(chan struct{})
	go func() {
		a.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
