package delivery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Endpoint is one receiver. Its JSON is what the engine stores of it, without
// Secret, which belongs to the API key.
type Endpoint struct {
	// ID names the endpoint; EndpointID makes it from the URL of one that is
	// configured by that alone. Put makes one up where it is empty.
	ID string `json:"id"`
	// URL is http or https. Its user info and query may be secret: neither is logged.
	URL string `json:"url"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// APIKey and Secret sign each attempt as LiveKit does. Without a Secret it
	// is looked up in Options.Keys.
	APIKey string `json:"apiKey"`
	Secret string `json:"-"`
	// Source says who asked for the endpoint: the config where it is empty.
	Source Source `json:"source"`
	// Scope is what an endpoint of SourceRoom or SourceEgress belongs to, and
	// ends with: the room's name or the egress's id.
	Scope string `json:"scope,omitempty"`
	// Session is the sid of the session of the room, see Bind.
	Session string `json:"session,omitempty"`
	Filter  Filter `json:"filter"`
	// Headers are sent along; they cannot replace those that the engine sets.
	Headers map[string]string `json:"headers,omitempty"`
	// CAFile, ClientCert and ClientKey are PEM files: whom to trust in place of
	// the system's roots, and who the server is. Only the config can name files.
	CAFile     string `json:"caFile,omitempty"`
	ClientCert string `json:"clientCert,omitempty"`
	ClientKey  string `json:"clientKey,omitempty"`
	Mode       Mode   `json:"mode,omitempty"`
	// Batch, if its Max is above 1, gathers events of all rooms into one request.
	Batch  Batch  `json:"batch,omitzero"`
	Format Format `json:"format,omitempty"`
	// FullTrackContext sends track events with the whole room and participant,
	// in place of the few fields that LiveKit sends.
	FullTrackContext bool `json:"fullTrackContext,omitempty"`
	// Block keeps a room waiting for an event that is refused alone, in place
	// of abandoning it.
	Block bool `json:"block,omitempty"`
	// Rate is how many requests a second it gets at most, 0 for no limit.
	Rate float64 `json:"rate,omitempty"`
	// Secrets are for Standard Webhooks signatures; every one that has not
	// expired signs. Without any, the API secret does.
	Secrets []Secret `json:"secrets,omitempty"`
	// Paused holds deliveries back; nothing is lost meanwhile.
	Paused  bool      `json:"paused,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
}

// Source is where an endpoint comes from.
type Source string

// The sources. What the config names, the API cannot change.
const (
	SourceConfig Source = "config"
	SourceAPI    Source = "api"
	SourceRoom   Source = "room"
	SourceEgress Source = "egress"
)

// Mode is the order in which an endpoint gets its events.
type Mode string

// The modes; the zero value is Ordered.
const (
	// Ordered sends each room's events one after the other.
	Ordered Mode = "ordered"
	// Parallel sends each event by itself, in any order.
	Parallel Mode = "parallel"
)

// Format is how an event looks on the wire.
type Format string

// The formats; the zero value is LiveKit.
const (
	// LiveKit is LiveKit's webhook.
	LiveKit Format = "livekit"
	// CloudEvents is CloudEvents 1.0 over HTTP in binary mode: the body is the
	// same, ce- headers stand beside it.
	CloudEvents Format = "cloudevents"
)

// Batch gathers events of all rooms, in the order of the log, into requests
// whose body is a JSON array of webhook bodies, one request at a time.
type Batch struct {
	// Max is how many events a request holds: 2 to 500. 0 and 1 mean no batches.
	Max int `json:"max,omitempty"`
	// Wait is how long an event waits for others: 50 ms.
	Wait time.Duration `json:"wait,omitempty"`
}

// Secret is a Standard Webhooks secret: "whsec_" and the base64 of the key, or
// empty for the secret of the API key.
type Secret struct {
	Value string `json:"value"`
	// ExpiresAt is when it stops signing; zero for never.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

const (
	maxBatch         = 500
	defaultBatchWait = 50 * time.Millisecond
	maxBatchWait     = 10 * time.Second
	maxHeaders       = 32
	maxHeaderValue   = 4 << 10
	maxURL           = 4 << 10
	maxSecrets       = 2
	secretPrefix     = "whsec_"
)

// EndpointID returns the stable identity of an endpoint that a config file
// names by its URL alone. The signing key is no part of it, so that a rotated
// key goes on where the old one was.
func EndpointID(rawURL string) string {
	sum := sha256.Sum256([]byte(rawURL))
	return "url-" + hex.EncodeToString(sum[:12])
}

// NewSecret returns a fresh Standard Webhooks secret of 256 bits.
func NewSecret() string {
	var key [32]byte
	rand.Read(key[:])
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// Redacted returns e with nothing secret in it, for everybody to see: no
// secrets, and no header values, user info or query.
func (e Endpoint) Redacted() Endpoint {
	e.Secret = ""
	if u, err := url.Parse(e.URL); err == nil {
		e.URL = redact(u)
	} else {
		e.URL = ""
	}
	e.Secrets = slices.Clone(e.Secrets)
	for i := range e.Secrets {
		e.Secrets[i].Value = secretPrefix + "…"
	}
	headers := make(map[string]string, len(e.Headers))
	for name := range e.Headers {
		headers[name] = "…"
	}
	if e.Headers != nil {
		e.Headers = headers
	}
	return e
}

// clone returns e with maps and slices of its own.
func (e Endpoint) clone() Endpoint {
	e.Filter = e.Filter.clone()
	e.Secrets = slices.Clone(e.Secrets)
	if e.Headers != nil {
		headers := make(map[string]string, len(e.Headers))
		for k, v := range e.Headers {
			headers[k] = v
		}
		e.Headers = headers
	}
	return e
}

func (e *Endpoint) setDefaults() {
	if e.Source == "" {
		e.Source = SourceConfig
	}
	if e.Mode == "" {
		e.Mode = Ordered
	}
	if e.Format == "" {
		e.Format = LiveKit
	}
	if e.Batch.Max > 1 && e.Batch.Wait == 0 {
		e.Batch.Wait = defaultBatchWait
	}
}

// Validate says what is wrong with the endpoint, as an *EndpointError, and
// returns nil for a good one. It does not look at files.
func (e *Endpoint) Validate() error {
	bad := func(field, format string, args ...any) error {
		return &EndpointError{Field: field, Problem: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		// The error of url.Parse quotes the URL, secrets and all.
		return bad("url", "cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return bad("url", "want an absolute http or https URL")
	case len(e.URL) > maxURL:
		return bad("url", "longer than %d bytes", maxURL)
	case e.ID == "" || strings.ContainsAny(e.ID, "/ \t\r\n") || len(e.ID) > 128:
		return bad("id", "want 1 to 128 characters without slash and space")
	case e.APIKey == "" || e.Secret == "":
		return bad("apiKey", "no API key to sign with")
	case e.Mode != "" && e.Mode != Ordered && e.Mode != Parallel:
		return bad("mode", "want ordered or parallel")
	case e.Format != "" && e.Format != LiveKit && e.Format != CloudEvents:
		return bad("format", "want livekit or cloudevents")
	case e.Batch.Max < 0 || e.Batch.Max > maxBatch:
		return bad("batch.max", "want at most %d events", maxBatch)
	case e.Batch.Wait < 0 || e.Batch.Wait > maxBatchWait:
		return bad("batch.wait", "want 0 to %s", maxBatchWait)
	case e.Batch.Max > 1 && e.Mode == Parallel:
		return bad("batch", "batches are ordered, the mode is parallel")
	case e.Batch.Max > 1 && e.Format == CloudEvents:
		return bad("batch", "there are no batches in binary mode of CloudEvents")
	case e.Rate < 0 || e.Rate > 0 && e.Rate < 0.001:
		return bad("rate", "want requests a second, at least 0.001, or 0 for no limit")
	case (e.ClientCert == "") != (e.ClientKey == ""):
		return bad("clientCert", "a client certificate and its key go together")
	case len(e.Secrets) > maxSecrets:
		return bad("secrets", "want at most %d", maxSecrets)
	case len(e.Headers) > maxHeaders:
		return bad("headers", "want at most %d", maxHeaders)
	}
	switch e.Source {
	case "", SourceConfig:
	case SourceAPI, SourceRoom, SourceEgress:
		if e.CAFile != "" || e.ClientCert != "" {
			return bad("caFile", "only endpoints of the config can name files")
		}
		if scoped := e.Source != SourceAPI; scoped != (e.Scope != "") {
			return bad("scope", "wanted with room and egress endpoints, and only there")
		}
		if e.Session != "" && e.Source != SourceRoom {
			return bad("session", "only rooms have sessions")
		}
	default:
		return bad("source", "unknown")
	}
	for name, value := range e.Headers {
		switch {
		case !headerName(name) || !headerValue(value):
			return bad("headers", "%q is no header", name)
		case reserved(name):
			return bad("headers", "%s is set by the server", textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	for _, s := range e.Secrets {
		if _, err := s.key(); err != nil && s.Value != "" {
			return bad("secrets", "want whsec_ and base64 of 24 to 64 bytes")
		}
	}
	return e.Filter.validate()
}

// key returns the bytes to sign with.
func (s *Secret) key() ([]byte, error) {
	text, ok := strings.CutPrefix(s.Value, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("secret: %w", ErrEndpoint)
	}
	return key, nil
}

// reserved says that a header of that name is the engine's or the transport's.
func reserved(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Trailer", "Te", "Host", "Expect",
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade", "Authorization", "User-Agent":
		return true
	}
	return strings.HasPrefix(name, "Webhook-") || strings.HasPrefix(name, "Rollcall-") || strings.HasPrefix(name, "Ce-")
}

// headerName says that name is a token (RFC 9110 §5.6.2).
func headerName(name string) bool {
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != "" && len(name) <= 128
}

// headerValue says that value is printable ASCII (RFC 9110 §5.5, without what
// is obsolete).
func headerValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(value) <= maxHeaderValue
}
