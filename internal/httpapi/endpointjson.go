package httpapi

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// endpointInput is what a request says of an endpoint. Secrets go in and never
// come out.
type endpointInput struct {
	URL              string            `json:"url"`
	Description      string            `json:"description"`
	APIKey           string            `json:"apiKey"`
	Filter           delivery.Filter   `json:"filter"`
	Headers          map[string]string `json:"headers"`
	Mode             delivery.Mode     `json:"mode"`
	Batch            batchJSON         `json:"batch"`
	Format           delivery.Format   `json:"format"`
	FullTrackContext bool              `json:"fullTrackContext"`
	Block            bool              `json:"block"`
	Rate             float64           `json:"rate"`
	Paused           bool              `json:"paused"`
	// Secret is a Standard Webhooks secret of the caller's own; without one the
	// server makes it.
	Secret string `json:"secret"`
}

// batchJSON is delivery.Batch with its unit in the name.
type batchJSON struct {
	Max    int   `json:"max,omitempty"`
	WaitMS int64 `json:"waitMs,omitempty"`
}

// inputOf is what would make ep again, secrets left out: a PATCH is decoded on
// top of it.
func inputOf(ep *delivery.Endpoint) endpointInput {
	return endpointInput{
		URL: ep.URL, Description: ep.Description, APIKey: ep.APIKey, Filter: ep.Filter, Mode: ep.Mode,
		Batch: batchJSON{ep.Batch.Max, ep.Batch.Wait.Milliseconds()}, Format: ep.Format,
		FullTrackContext: ep.FullTrackContext, Block: ep.Block, Rate: ep.Rate, Paused: ep.Paused,
	}
}

// apply sets all of ep that a request can set, but for its secrets.
func (in *endpointInput) apply(ep *delivery.Endpoint) {
	ep.URL, ep.Description, ep.APIKey, ep.Filter = in.URL, in.Description, in.APIKey, in.Filter
	ep.Headers, ep.Mode, ep.Format = in.Headers, in.Mode, in.Format
	ep.Batch = delivery.Batch{Max: in.Batch.Max, Wait: time.Duration(in.Batch.WaitMS) * time.Millisecond}
	ep.FullTrackContext, ep.Block, ep.Rate, ep.Paused = in.FullTrackContext, in.Block, in.Rate, in.Paused
}

// endpointJSON is an endpoint as it is shown: without secrets, and without what
// may be secret in its URL and headers.
type endpointJSON struct {
	ID               string          `json:"id"`
	URL              string          `json:"url"`
	Description      string          `json:"description"`
	APIKey           string          `json:"apiKey"`
	Source           delivery.Source `json:"source"`
	Scope            string          `json:"scope,omitempty"`
	Session          string          `json:"session,omitempty"`
	Filter           delivery.Filter `json:"filter"`
	Headers          []string        `json:"headers"`
	Mode             delivery.Mode   `json:"mode"`
	Batch            batchJSON       `json:"batch"`
	Format           delivery.Format `json:"format"`
	FullTrackContext bool            `json:"fullTrackContext"`
	Block            bool            `json:"block"`
	Rate             float64         `json:"rate"`
	Paused           bool            `json:"paused"`
	Secrets          []secretJSON    `json:"secrets"`
	Created          time.Time       `json:"created,omitzero"`
	Updated          time.Time       `json:"updated,omitzero"`
	Status           *endpointStatus `json:"status,omitempty"`
	// Secret is there once, in the answer to the request that made it.
	Secret string `json:"secret,omitempty"`
}

// secretJSON is a secret without its value.
type secretJSON struct {
	// ExpiresAt is when it stops signing; absent for never.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// endpointStatus is how deliveries to it go.
type endpointStatus struct {
	State           string    `json:"state"`
	Lag             uint64    `json:"lag"`
	OldestPendingMS int64     `json:"oldestPendingMs"`
	Lanes           int       `json:"lanes"`
	InFlight        int       `json:"inFlight"`
	Attempts        uint64    `json:"attempts"`
	Successes       uint64    `json:"successes"`
	Failures        uint64    `json:"failures"`
	Abandoned       uint64    `json:"abandoned"`
	DeadLetters     int       `json:"deadLetters"`
	Dropped         uint64    `json:"dropped"`
	Missing         uint64    `json:"missing"`
	LastError       string    `json:"lastError,omitempty"`
	LastErrorAt     time.Time `json:"lastErrorAt,omitzero"`
}

func newEndpointJSON(ep delivery.Endpoint, stats []delivery.EndpointStats) endpointJSON {
	open := ep.Redacted()
	out := endpointJSON{
		ID: open.ID, URL: open.URL, Description: open.Description, APIKey: open.APIKey, Source: open.Source, Scope: open.Scope, Session: open.Session,
		Filter: open.Filter, Headers: []string{}, Mode: open.Mode, Batch: batchJSON{open.Batch.Max, open.Batch.Wait.Milliseconds()},
		Format: open.Format, FullTrackContext: open.FullTrackContext, Block: open.Block, Rate: open.Rate, Paused: open.Paused,
		Secrets: []secretJSON{}, Created: open.Created, Updated: open.Updated,
	}
	for name := range open.Headers {
		out.Headers = append(out.Headers, name)
	}
	slices.Sort(out.Headers)
	for _, s := range open.Secrets {
		out.Secrets = append(out.Secrets, secretJSON{s.ExpiresAt})
	}
	if i := slices.IndexFunc(stats, func(s delivery.EndpointStats) bool { return s.ID == ep.ID }); i >= 0 {
		s := stats[i]
		out.Status = &endpointStatus{
			State: stateOf(s.State), Lag: s.Lag, OldestPendingMS: s.OldestPending.Milliseconds(), Lanes: s.Lanes,
			InFlight: s.InFlight, Attempts: s.Attempts, Successes: s.Successes, Failures: s.Failures,
			Abandoned: s.Abandoned, DeadLetters: s.DeadLetters, Dropped: s.Dropped, Missing: s.Missing, LastError: s.LastError, LastErrorAt: s.LastErrorAt,
		}
	}
	return out
}

// stateOf is the breaker's state in words for people: a closed breaker is an
// endpoint that is up.
func stateOf(s delivery.State) string {
	switch s {
	case delivery.Closed:
		return "up"
	case delivery.Open:
		return "down"
	default:
		return s.String() // recovering, disabled, paused, unusable
	}
}

// attemptJSON is an attempt with its unit in the name.
type attemptJSON delivery.Attempt

// MarshalJSON implements json.Marshaler.
func (a attemptJSON) MarshalJSON() ([]byte, error) {
	type plain delivery.Attempt
	at := delivery.Attempt(a)
	return json.Marshal(struct {
		plain
		Delivered bool    `json:"delivered"`
		Latency   any     `json:"latency,omitempty"` // hides the one in nanoseconds
		LatencyMS float64 `json:"latencyMs"`
	}{plain: plain(a), Delivered: at.Delivered(), LatencyMS: float64(a.Latency.Microseconds()) / 1000})
}

func attemptsJSON(list []delivery.Attempt) []attemptJSON {
	shown := make([]attemptJSON, 0, len(list))
	for _, a := range list {
		shown = append(shown, attemptJSON(a))
	}
	return shown
}
