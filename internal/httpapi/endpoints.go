package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// endpointAPI serves /endpoints: where events are delivered. Those of the
// configuration can be seen, paused, tested and recovered here, and changed in
// the configuration only.
type endpointAPI struct {
	endpoints  Endpoints
	deliveries Deliveries
	log        Log
	state      func() LogState
	auth       authenticator
}

func (h *endpointAPI) routes() []route {
	return []route{
		{"GET", "/endpoints", h.admin(h.list)},
		{"POST", "/endpoints", h.admin(h.create)},
		{"GET", "/endpoints/{id}", h.admin(h.show)},
		{"PUT", "/endpoints/{id}", h.admin(h.put)},
		{"PATCH", "/endpoints/{id}", h.admin(h.patch)},
		{"DELETE", "/endpoints/{id}", h.admin(h.delete)},
		{"POST", "/endpoints/{id}/pause", h.admin(h.pause)},
		{"POST", "/endpoints/{id}/resume", h.admin(h.resume)},
		{"POST", "/endpoints/{id}/rotate", h.admin(h.rotate)},
		{"POST", "/endpoints/{id}/test", h.admin(h.test)},
		{"GET", "/endpoints/{id}/attempts", h.admin(h.attempts)},
		{"GET", "/endpoints/{id}/lanes", h.admin(h.lanes)},
		{"POST", "/endpoints/{id}/redeliver", h.admin(h.redeliver)},
		{"GET", "/endpoints/{id}/dead-letters", h.admin(h.deadLetters)},
		{"DELETE", "/endpoints/{id}/dead-letters", h.admin(h.dismiss)},
		{"POST", "/endpoints/{id}/redrive", h.admin(h.redrive)},
		{"POST", "/endpoints/{id}/recover", h.admin(h.recover)},
		{"GET", "/recoveries", h.admin(h.recoveries)},
		{"GET", "/recoveries/{id}", h.admin(h.recovery)},
		{"DELETE", "/recoveries/{id}", h.admin(h.cancel)},
	}
}

// call is a request of somebody who may manage endpoints.
type call struct {
	*http.Request
	w      http.ResponseWriter
	id     string // of the path; may be empty
	apiKey string // that signed the request's token
}

// admin makes a route of what somebody who may manage endpoints can do.
func (h *endpointAPI) admin(serve func(c *call) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		claims, err := h.auth.bearer(r)
		if err != nil {
			return err
		}
		if err := claims.CanManageEndpoints(); err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		return serve(&call{Request: r, w: w, id: r.PathValue("id"), apiKey: claims.APIKey})
	}
}

// answer shows the endpoint as it is now.
func (h *endpointAPI) answer(c *call, status int, ep delivery.Endpoint, secret string) error {
	out := newEndpointJSON(ep, h.endpoints.Stats())
	out.Secret = secret
	writeJSON(c.w, status, out)
	return nil
}

func (h *endpointAPI) list(c *call) error {
	stats := h.endpoints.Stats()
	shown := []endpointJSON{}
	for _, ep := range h.endpoints.Endpoints() {
		shown = append(shown, newEndpointJSON(ep, stats))
	}
	writeJSON(c.w, http.StatusOK, struct {
		Endpoints []endpointJSON `json:"endpoints"`
	}{shown})
	return nil
}

func (h *endpointAPI) show(c *call) error {
	ep, err := h.endpoints.Endpoint(c.id)
	if err != nil {
		return err
	}
	return h.answer(c, http.StatusOK, ep, "")
}

func (h *endpointAPI) create(c *call) error {
	var in endpointInput
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	return h.save(c, delivery.Endpoint{Source: delivery.SourceAPI}, in, http.StatusCreated)
}

// put makes the endpoint of that id, or replaces all of it but its secrets.
func (h *endpointAPI) put(c *call) error {
	var in endpointInput
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	ep, err := h.changeable(c.id)
	switch {
	case errors.Is(err, delivery.ErrUnknownEndpoint):
		return h.save(c, delivery.Endpoint{ID: c.id, Source: delivery.SourceAPI}, in, http.StatusCreated)
	case err != nil:
		return err
	}
	return h.save(c, ep, in, http.StatusOK)
}

// patch changes the fields that the body has. An object among them is merged,
// but for headers, which are replaced as a whole.
func (h *endpointAPI) patch(c *call) error {
	ep, err := h.changeable(c.id)
	if err != nil {
		return err
	}
	in := inputOf(&ep)
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	if in.Headers == nil {
		in.Headers = ep.Headers
	}
	return h.save(c, ep, in, http.StatusOK)
}

// changeable returns the endpoint, if it is the API's to change.
func (h *endpointAPI) changeable(id string) (delivery.Endpoint, error) {
	ep, err := h.endpoints.Endpoint(id)
	switch {
	case err != nil:
	case ep.Source == delivery.SourceRoom || ep.Source == delivery.SourceEgress:
		err = problemf(http.StatusConflict, "failed_precondition", "endpoint %s belongs to %s %s and ends with it", id, ep.Source, ep.Scope)
	case ep.Source == delivery.SourceConfig:
		err = problemf(http.StatusConflict, "failed_precondition", "endpoint %s comes from the configuration: change it there and restart; it can be paused here", id)
	}
	return ep, err
}

// save keeps the endpoint, as the request wants it.
func (h *endpointAPI) save(c *call, ep delivery.Endpoint, in endpointInput, status int) error {
	if in.URL == "" {
		return badRequest("url is missing: want an absolute http or https URL")
	}
	if in.APIKey == "" {
		in.APIKey = c.apiKey
	}
	if in.APIKey != ep.APIKey {
		ep.Secret = "" // it belongs to the key
	}
	in.apply(&ep)
	made := ""
	switch {
	case in.Secret != "":
		ep.Secrets = []delivery.Secret{{Value: in.Secret}}
	case len(ep.Secrets) == 0:
		made = delivery.NewSecret()
		ep.Secrets = []delivery.Secret{{Value: made}}
	}
	saved, err := h.endpoints.Put(c.Context(), ep)
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		c.w.Header().Set("Location", "/endpoints/"+saved.ID)
	}
	return h.answer(c, status, saved, made)
}

func (h *endpointAPI) delete(c *call) error {
	// Those of rooms and egresses cannot be changed, but ended before their time.
	if ep, err := h.changeable(c.id); err != nil && (ep.Source == "" || ep.Source == delivery.SourceConfig) {
		return err
	}
	if err := h.endpoints.Delete(c.Context(), c.id); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *endpointAPI) pause(c *call) error {
	if err := h.endpoints.Pause(c.Context(), c.id); err != nil {
		return err
	}
	return h.show(c)
}

func (h *endpointAPI) resume(c *call) error {
	if err := h.endpoints.Resume(c.Context(), c.id); err != nil {
		return err
	}
	return h.show(c)
}

const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 7 * 24 * time.Hour
)

// rotate gives the endpoint a new secret, and shows it once.
func (h *endpointAPI) rotate(c *call) error {
	in := struct {
		OverlapSeconds int64 `json:"overlapSeconds"`
	}{int64(defaultOverlap.Seconds())}
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	if in.OverlapSeconds < 0 || in.OverlapSeconds > int64(maxOverlap.Seconds()) {
		return badRequest("overlapSeconds is %d, want 0 to %.0f", in.OverlapSeconds, maxOverlap.Seconds())
	}
	if _, err := h.changeable(c.id); err != nil {
		return err
	}
	ep, err := h.endpoints.RotateSecret(c.Context(), c.id, time.Duration(in.OverlapSeconds)*time.Second)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ep.Secrets, func(s delivery.Secret) bool { return s.ExpiresAt.IsZero() })
	if i < 0 {
		return errors.New("BUG: a rotated endpoint has no secret that lasts")
	}
	return h.answer(c, http.StatusOK, ep, ep.Secrets[i].Value)
}

// UnmarshalJSON refuses units that are not the field's.
func (b *batchJSON) UnmarshalJSON(data []byte) error {
	type plain batchJSON
	in := plain(*b)
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if in.WaitMS < 0 || in.WaitMS > 60_000 {
		return badRequest("batch.waitMs is %d, want milliseconds from 0 to 60000", in.WaitMS)
	}
	*b = batchJSON(in)
	return nil
}
