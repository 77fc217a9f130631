package web

import "strings"

// contentSecurityPolicy lets the page load and reach this host and no other.
//
// script and style come from files only: the page has no inline ones. media
// takes blob: for what the SDK plays. Not every browser counts the WebSocket of
// the same host as 'self', so host, as the browser named it, is written out.
func contentSecurityPolicy(host string) string {
	connect := "'self'"
	if isHostSource(host) {
		connect += " ws://" + host + " wss://" + host
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data: blob:",
		"media-src 'self' blob:",
		"worker-src 'self' blob:",
		"connect-src " + connect,
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// isHostSource reports whether host, from the request and thus from anyone, is
// a name or IPv4 address with an optional port, as CSP3 §2.3.1 allows a host to
// be written. Anything else could end the directive and begin one of its own.
func isHostSource(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && port == "" {
		return false
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	for _, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return name != ""
}
