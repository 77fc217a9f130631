package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// Log is what the engine reads: the committed records, in order.
type Log interface {
	// Read returns up to limit committed records with Seq > after, in order.
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
	// Wait returns when a record with Seq > after is committed.
	Wait(ctx context.Context, after uint64) error
	// Last is the newest committed sequence number, 0 for an empty log.
	Last() uint64
}

// Cursors is where the engine keeps how far each endpoint is. A call's puts
// and deletes become durable together, and no later than what is appended to
// the log after the call.
type Cursors interface {
	LoadCursors(prefix string) (map[string][]byte, error)
	SaveCursors(puts map[string][]byte, deletes []string)
}

// Options configures an Engine. Log, Cursors and Endpoints are required; the
// zero value of the rest is the default.
type Options struct {
	Log       Log
	Cursors   Cursors
	Endpoints []Endpoint
	Logger    *slog.Logger
	// Keys are the secrets of the API keys that endpoints name.
	Keys map[string]string
	// AllowNetworks are private and loopback networks that endpoints which are
	// not the config's may be in. Metadata services never are reached.
	AllowNetworks []netip.Prefix

	// Concurrency is how many lanes of one endpoint may be in flight: 64.
	Concurrency int
	// Timeout bounds one attempt, from the dial to the end of the body: 10 s.
	Timeout time.Duration
	Retry   RetryPolicy
	Breaker BreakerPolicy
	// MaxLanes is how many lanes of one endpoint may have work at a time; the
	// log is not read further for that endpoint meanwhile: 4096.
	MaxLanes int
	// Window is how many records one lane keeps in memory: 128.
	Window int

	// MaxDeadLetters is how many an endpoint keeps; beyond it the oldest go: 10 000.
	MaxDeadLetters int

	Transport TransportOptions
	// Trace begins the span of an attempt and may add to its headers; done says how
	// it ended. Batches, which are of many, are not traced. Nil: nothing is.
	Trace func(ctx context.Context, endpoint string, attempt int, r *event.Record, h http.Header) (done func(status int, err error))
	// Random returns a number in [0,1) for jitter; it is called from several
	// goroutines. math/rand by default.
	Random func() float64

	times  *histogram.Histogram // of attempts; set by setDefaults
	totals *totals              // set by setDefaults
}

// TransportOptions says how endpoints are reached.
type TransportOptions struct {
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS         *tls.Config
	// Proxy is http.ProxyFromEnvironment by default, as in LiveKit: an
	// operator who sets HTTPS_PROXY means webhooks too. Loopback addresses
	// and NO_PROXY are exempt.
	Proxy func(*http.Request) (*url.URL, error)
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxLanes <= 0 {
		o.MaxLanes = 4096
	}
	if o.Window <= 0 {
		o.Window = 128
	}
	if o.MaxDeadLetters <= 0 {
		o.MaxDeadLetters = 10_000
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Transport.Proxy == nil {
		o.Transport.Proxy = http.ProxyFromEnvironment
	}
	o.totals = new(totals)
	ms := time.Millisecond
	o.times = histogram.New(5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, 500*ms, 1000*ms, 2500*ms, 5000*ms, 10000*ms)
	o.Retry.setDefaults()
	o.Breaker.setDefaults()
}

// validate checks the endpoints and completes them, in place.
func (o *Options) validate() error {
	seen := make(map[string]bool, len(o.Endpoints))
	o.Endpoints = slices.Clone(o.Endpoints)
	for i := range o.Endpoints {
		ep := &o.Endpoints[i]
		ep.setDefaults()
		if ep.Secret == "" {
			ep.Secret = o.Keys[ep.APIKey]
		}
		if err := ep.Validate(); err != nil {
			return fmt.Errorf("endpoint %d: %w", i, err)
		}
		if seen[ep.ID] {
			return fmt.Errorf("endpoint %d: %w: a second one of ID %s", i, ErrEndpoint, ep.ID)
		}
		seen[ep.ID] = true
	}
	return nil
}

// redact returns u without what may be secret in it.
func redact(u *url.URL) string {
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return clean.String()
}
