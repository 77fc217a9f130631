package httpapi

import (
	"net/http/httptest"
	"testing"
)

func TestRedirectKeepsHostPathAndQuery(t *testing.T) {
	for _, tc := range []struct{ host, port, want string }{
		{"example.com", "443", "https://example.com/a?b=c"},
		{"example.com:80", "443", "https://example.com/a?b=c"},
		{"example.com:80", "7881", "https://example.com:7881/a?b=c"},
		{"[::1]", "443", "https://[::1]/a?b=c"},
		{"[::1]:80", "443", "https://[::1]/a?b=c"},
		{"[::1]", "7881", "https://[::1]:7881/a?b=c"},
		{"[::1]:80", "7881", "https://[::1]:7881/a?b=c"},
	} {
		r := httptest.NewRequest("GET", "/a?b=c", nil)
		r.Host = tc.host
		w := httptest.NewRecorder()
		Redirect(tc.port).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != 308 || got != tc.want {
			t.Errorf("%s on port %s: %d %s, want %s", tc.host, tc.port, w.Code, got, tc.want)
		}
	}
}
