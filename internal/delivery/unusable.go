package delivery

import (
	"fmt"
	"net/url"
)

// A stored endpoint may be one that this configuration does not let be used:
// its API key has left it. Such an endpoint is there all the same, so that it
// can be seen, deleted, and put again with a key that there is: its events wait
// in the log, and it goes on from its place.

// problem says why a stored endpoint cannot be used, "" if it can.
func (e *Endpoint) problem() string {
	err := e.Validate()
	switch {
	case err == nil:
		return ""
	case e.Secret == "" && e.APIKey != "":
		return fmt.Sprintf("the server has no API key %q", e.APIKey)
	default:
		return err.Error()
	}
}

// blank returns what of an endpoint that cannot be used a sender can be made of.
// Nothing is sent by it.
func (e *Endpoint) blank() Endpoint {
	b := Endpoint{ID: e.ID, Source: e.Source}
	if _, err := url.Parse(e.URL); err == nil {
		b.URL = e.URL
	}
	return b
}

// usable returns an ErrUnusable if nothing can be sent to the endpoint; it runs
// on the loop.
func (ep *endpoint) usable() error {
	if ep.unusable == "" {
		return nil
	}
	return fmt.Errorf("%w: %s; put it again with a key that there is", ErrUnusable, ep.unusable)
}
