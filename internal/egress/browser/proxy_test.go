package browser

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

var errForbidden = errors.New("private and not allowed")

// through makes a client that goes through a proxy which reaches nothing but own.
func through(t *testing.T, own ...string) (*proxy, *http.Client) {
	t.Helper()
	p, err := newProxy(func(context.Context, string, string) (net.Conn, error) { return nil, errForbidden }, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	at, err := url.Parse(p.address)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return at, nil }}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport}
}

func host(s *httptest.Server) string { return strings.SplitN(s.URL, "://", 2)[1] }

func TestPagesReachWhatTheGuardAllows(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.Header.Get("Proxy-Connection"))
		_, _ = io.WriteString(w, "hello "+r.URL.Path)
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	_, client := through(t, host(plain), host(secure))
	client.Transport.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	for _, base := range []string{plain.URL, secure.URL} {
		resp, err := client.Get(base + "/a")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "hello /a" || resp.Header.Get("X-Saw") != "" {
			t.Errorf("%s: %d %q, and saw %q", base, resp.StatusCode, body, resp.Header.Get("X-Saw"))
		}
	}
}

func TestPagesDoNotReachWhatTheGuardForbids(t *testing.T) {
	p, client := through(t)
	resp, err := client.Get("http://10.0.0.1:81/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("plain: %d", resp.StatusCode)
	}
	if _, err := client.Get("https://10.0.0.1/"); err == nil {
		t.Error("a tunnel is made")
	}
	for _, address := range []string{"10.0.0.1:81", "10.0.0.1:443"} {
		if err := p.why(address); !errors.Is(err, errForbidden) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A redirect is another request, which is guarded too.
func TestRedirectsAreGuarded(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	defer s.Close()
	p, client := through(t, host(s))
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway || !errors.Is(p.why("169.254.169.254:80"), errForbidden) {
		t.Errorf("%d, %v", resp.StatusCode, p.why("169.254.169.254:80"))
	}
}
