package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// sickbed is a doctor for what answers at base.
func sickbed(base string, c *http.Client) (*doctor, *bytes.Buffer) {
	var out bytes.Buffer
	return &doctor{client: &client{base: base, http: c}, env: environment{stdout: &out}}, &out
}

// want is that a diagnosis was made, with that in its hint.
func (d *doctor) want(t *testing.T, name string, r result, hint string) {
	t.Helper()
	for _, f := range d.diagnoses {
		if f.Name == name {
			if f.Result != r || !strings.Contains(f.Hint, hint) {
				t.Errorf("%s is %s: %s (%s); want %s with %q", name, f.Result, f.Detail, f.Hint, r, hint)
			}
			return
		}
	}
	t.Errorf("no diagnosis %q in %v", name, d.diagnoses)
}

// answering is a server, or a proxy, that answers by path.
func answering(statuses map[string]int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, ok := statuses[r.URL.Path]
		if !ok {
			status = http.StatusOK
		}
		w.WriteHeader(status)
	})
}

func TestDoctorFindsAServerThatDoesNotAnswer(t *testing.T) {
	server := httptest.NewServer(answering(nil))
	server.Close()
	d, _ := sickbed(server.URL, http.DefaultClient)
	d.answers(context.Background())
	d.want(t, "server", failure, "firewall")
}

func TestDoctorFindsCertificatesThatBrowsersRefuse(t *testing.T) {
	server := httptest.NewTLSServer(answering(nil))
	t.Cleanup(server.Close)
	d, _ := sickbed(server.URL, &http.Client{})
	d.answers(context.Background())
	d.want(t, "server", failure, "nobody trusts")

	d, _ = sickbed(strings.Replace(server.URL, "127.0.0.1", "localhost", 1), server.Client())
	d.answers(context.Background())
	d.want(t, "server", failure, "another name")

	plain := httptest.NewServer(answering(nil))
	t.Cleanup(plain.Close)
	d, _ = sickbed(strings.Replace(plain.URL, "http:", "https:", 1), &http.Client{})
	d.answers(context.Background())
	d.want(t, "server", failure, "http and ws")
}

func TestDoctorJudgesWhatBrowsersSee(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	until := func(d time.Duration) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: now.Add(d)}}}
	}
	for name, c := range map[string]struct {
		state *tls.ConnectionState
		local bool
		want  result
	}{
		"plain, elsewhere":    {nil, false, failure},
		"plain, here":         {nil, true, fine},
		"good for two months": {until(60 * 24 * time.Hour), false, fine},
		"soon to expire":      {until(24 * time.Hour), false, warning},
	} {
		if f := secureDiagnosis(c.state, c.local, now); f.Result != c.want || c.want != fine && f.Hint == "" {
			t.Errorf("%s: %+v, want %s", name, f, c.want)
		}
	}
}

func TestDoctorFindsAServerThatIsNotReady(t *testing.T) {
	server := httptest.NewServer(answering(map[string]int{"/readyz": http.StatusServiceUnavailable, "/rtc": http.StatusUnauthorized}))
	t.Cleanup(server.Close)
	d, _ := sickbed(server.URL, server.Client())
	d.answers(context.Background())
	d.want(t, "ready", failure, "log.quota")
	d.want(t, "WebSockets", fine, "")
}

func TestDoctorFindsAProxyThatStopsWebSockets(t *testing.T) {
	server := httptest.NewServer(answering(map[string]int{"/rtc": http.StatusBadRequest}))
	t.Cleanup(server.Close)
	d, _ := sickbed(server.URL, server.Client())
	d.answers(context.Background())
	d.want(t, "ready", fine, "")
	d.want(t, "WebSockets", failure, "proxy_http_version")
}

func TestDoctorFindsSecretsThatCanBeGuessed(t *testing.T) {
	for _, c := range []struct {
		base, key, secret string
		want              result
	}{
		{"https://rooms.example.com", "devkey", "secret", failure},
		{"https://rooms.example.com", "mine", "short", failure},
		{"http://127.0.0.1:7880", "devkey", "secret", warning},
		{"https://rooms.example.com", "mine", strings.Repeat("x", minSecret), fine},
	} {
		d, _ := sickbed(c.base, nil)
		d.key, d.secret = c.key, c.secret
		d.strength()
		d.want(t, "key strength", c.want, "")
	}
}
