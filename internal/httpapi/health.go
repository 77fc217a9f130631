package httpapi

import (
	"io"
	"net/http"
	"strings"
)

// root is the page for browsers, and for everybody else the health: SDKs and
// load balancers probe /.
func root(o Options) http.Handler {
	probe := health(o.Alive)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if o.Page != nil && strings.Contains(r.Header.Get("Accept"), "text/html") {
			o.Page.ServeHTTP(w, r)
			return
		}
		probe(w, r)
	})
}

// health answers whether the server takes new work, or is alive.
func health(ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseMethod(w, r, "GET, HEAD")
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		text := "OK"
		if err := ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = "Not Ready: " + err.Error()
		}
		_, _ = io.WriteString(w, text) // an error means that the client is gone
	}
}
