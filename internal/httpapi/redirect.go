package httpapi

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Redirect sends whoever comes to the same place by HTTPS, on that port.
func Redirect(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname() // without the brackets of IPv6
		if host == "" {
			refuse(w, r, http.StatusBadRequest, "invalid_argument", "the request names no host")
			return
		}
		to := *r.URL
		to.Scheme, to.Host = "https", net.JoinHostPort(host, port)
		if port == "443" {
			to.Host = strings.TrimSuffix(to.Host, ":443")
		}
		// Keeps method and body, and may be remembered (RFC 9110 §15.4.9).
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}
