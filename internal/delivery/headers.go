package delivery

import (
	"net/http"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// Headers returns the headers that an attempt at rec would have if the engine
// made it now: for tools that forward events themselves. The endpoint needs no
// more than a URL and the API key with its secret.
func Headers(ep Endpoint, rec *event.Record, attempt int, now time.Time) (http.Header, error) {
	if ep.ID == "" {
		ep.ID = EndpointID(ep.URL)
	}
	ep.setDefaults()
	if err := ep.Validate(); err != nil {
		return nil, err
	}
	return newSigner(&ep).headers(rec, rec.Body, &details{attempt: attempt}, now), nil
}
