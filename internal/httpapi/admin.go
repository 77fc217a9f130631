package httpapi

import (
	"net"
	"net/http"
)

// AdminOptions is what the port for administration shows. All are required.
type AdminOptions struct {
	Metrics http.Handler
	// Ready and Alive are as in Options.
	Ready, Alive func() error
	Stats        func() any
}

// NewAdminHandler returns the handler of the port for those who run the server.
// Who reaches it is let in.
func NewAdminHandler(o AdminOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("/healthz", health(o.Alive))
	mux.HandleFunc("/readyz", health(o.Ready))
	mux.Handle("/debug/", debugHandler(o.Stats))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusNotFound, "not_found", "there are /metrics, /healthz, /readyz, /debug/pprof/ and /debug/stats")
	})
	return byAddress(mux)
}

// byAddress refuses requests that name the machine otherwise than by an address or
// as localhost: a web page whose own name was made to resolve to this port could
// read it otherwise.
func byAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isLoopback(r.Host) || isAddress(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, r, http.StatusForbidden, "permission_denied", "use the address of this machine, not a name")
	})
}

func isAddress(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return net.ParseIP(host) != nil
}
