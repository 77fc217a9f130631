package httpapi

import (
	"net"
	"net/http"
)

// Redirect sends whoever comes to the same place by HTTPS, on that port.
func Redirect(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host == "" {
			refuse(w, r, http.StatusBadRequest, "invalid_argument", "the request names no host")
			return
		}
		to := *r.URL
		to.Scheme, to.Host = "https", host
		if port != "443" {
			to.Host = net.JoinHostPort(host, port)
		}
		// Keeps method and body, and may be remembered (RFC 9110 §15.4.9).
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}
