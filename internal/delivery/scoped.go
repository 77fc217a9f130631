package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
)

// maxHooks is how many endpoints one room or egress may ask for.
const maxHooks = 8

// PutScoped creates an endpoint of a room or an egress, as its Source and Scope
// say. It gets the events of that alone, and ends with it when all of them are
// delivered. One of a room without a Session gets none until Bind.
func (e *Engine) PutScoped(ctx context.Context, desc Endpoint) (Endpoint, error) {
	if desc.Source != SourceRoom && desc.Source != SourceEgress {
		return Endpoint{}, fmt.Errorf("put endpoint: %w", &EndpointError{Field: "source", Problem: "want room or egress"})
	}
	return e.put(ctx, desc)
}

// PutRoom creates endpoints for the session of a room that is about to be made:
// all of them, or none. They wait, with a place in the log from before the
// session's first event, for Bind.
func (e *Engine) PutRoom(ctx context.Context, room string, hooks []Endpoint) ([]Endpoint, error) {
	for i := range hooks {
		hooks[i].Source, hooks[i].Scope, hooks[i].Session = SourceRoom, room, ""
		hooks[i].ID = newID("room_")
	}
	return e.putAll(ctx, hooks)
}

// Bind says of which session of its room an endpoint of PutRoom is. When the
// session has one of the same URL, that one takes over what the new one says, so
// that a CreateRoom can be repeated.
func (e *Engine) Bind(ctx context.Context, id, session string) (Endpoint, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	fail := func(err error) (Endpoint, error) {
		return Endpoint{}, fmt.Errorf("bind endpoint %s to room session %s: %w", id, session, err)
	}
	ep, err := e.find(id)
	if err != nil {
		return fail(err)
	}
	desc := ep.description()
	switch {
	case session == "":
		return fail(&EndpointError{Field: "session", Problem: "is missing"})
	case desc.Session == session:
		return desc, nil
	case desc.Source != SourceRoom || desc.Session != "":
		return fail(ErrReadOnly)
	}
	desc.Session = session
	for _, other := range e.all() {
		was := other.description()
		if other == ep || was.Source != SourceRoom || was.Session != session || was.URL != desc.URL {
			continue
		}
		desc.ID, desc.Created = was.ID, was.Created
		if err := e.change(other, desc); err != nil {
			return fail(err)
		}
		if err := e.remove(ep); err != nil {
			return fail(err)
		}
		return desc, e.flush(ctx)
	}
	if err := e.change(ep, desc); err != nil {
		return fail(err)
	}
	e.keepFull()
	return desc, e.flush(ctx)
}

// PutEgress creates the endpoints that the request of an egress asks for, beside
// those that there are: all of them, or none. Each gets the events of that egress
// which its filter lets through, in a lane of its own, so that one that does not
// answer harms neither the others nor the rest of the room's events. It ends when
// it has been told of the egress's end. Call it before the first event of the
// egress is appended.
//
// A signing key is the name of an API key; without one, defaultKey signs. What is
// wrong with a hook is an *EndpointError.
func (e *Engine) PutEgress(ctx context.Context, egressID, defaultKey string, hooks []*livekit.WebhookConfig) ([]Endpoint, error) {
	endpoints := make([]Endpoint, 0, len(hooks))
	for _, h := range hooks {
		ep := Endpoint{
			ID: newID("egress_"), URL: h.GetUrl(), APIKey: defaultKey, Source: SourceEgress, Scope: egressID,
			Filter: liveKitFilter(h.GetFilterParams()),
		}
		if h.GetSigningKey() != "" {
			ep.APIKey = h.GetSigningKey()
		}
		endpoints = append(endpoints, ep)
	}
	return e.putAll(ctx, endpoints)
}

// liveKitFilter is LiveKit's: what is included counts alone if there is something.
func liveKitFilter(p *livekit.FilterParams) Filter {
	if include := p.GetIncludeEvents(); len(include) > 0 {
		return Filter{Events: slices.Clone(include)}
	}
	return Filter{Exclude: slices.Clone(p.GetExcludeEvents())}
}

// putAll creates endpoints, which have IDs, or none of them.
func (e *Engine) putAll(ctx context.Context, endpoints []Endpoint) (made []Endpoint, err error) {
	if len(endpoints) > maxHooks {
		return nil, fmt.Errorf("put endpoints: %w", &EndpointError{Field: "webhooks", Problem: fmt.Sprintf("want at most %d", maxHooks)})
	}
	for i := range endpoints { // what is wrong with the last is found before the first is made
		ep := endpoints[i].clone()
		ep.setDefaults()
		ep.Secret = e.opts.Keys[ep.APIKey]
		if err := ep.Validate(); err != nil {
			return nil, fmt.Errorf("put endpoints: the %d. of %d: %w", i+1, len(endpoints), err)
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Drop(context.WithoutCancel(ctx), made))
			made = nil
		}
	}()
	for i := range endpoints {
		ep, err := e.put(ctx, endpoints[i])
		if err != nil {
			return made, err
		}
		made = append(made, ep)
	}
	return made, nil
}

// Drop deletes endpoints of a room or an egress that did not come about.
func (e *Engine) Drop(ctx context.Context, endpoints []Endpoint) error {
	var errs []error
	for _, ep := range endpoints {
		if err := e.Delete(ctx, ep.ID); err != nil && !errors.Is(err, ErrUnknownEndpoint) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DropEgress deletes the endpoints of an egress that did not come about: no event says
// that it is over.
func (e *Engine) DropEgress(ctx context.Context, egressID string) error {
	return e.Drop(ctx, slices.DeleteFunc(e.Endpoints(), func(ep Endpoint) bool {
		return ep.Source != SourceEgress || ep.Scope != egressID
	}))
}

// unbound says that nobody has said yet of which session the endpoint is.
func (e *Endpoint) unbound() bool { return e.Source == SourceRoom && e.Session == "" }

// dropUnbound forgets endpoints whose room was never made, because the server
// ended before: nobody was told that there were any.
func (e *Engine) dropUnbound(all []Endpoint) []Endpoint {
	return slices.DeleteFunc(all, func(desc Endpoint) bool {
		if !desc.unbound() {
			return false
		}
		e.opts.Logger.Info("webhooks: an endpoint of a room that was not made is dropped", "endpoint", desc.ID, "room", desc.Scope, "age", time.Since(desc.Created))
		e.opts.Cursors.SaveCursors(nil, []string{definitionPrefix + desc.ID, endpointKey(desc.ID)})
		return true
	})
}
