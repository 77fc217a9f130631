package tracing

import (
	"net/url"
	"strings"
)

// tracesURL is where traces go at a collector. A URL without a path gets the one
// of the specification (OTLP §OTLP/HTTP Request).
func tracesURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String()
}
