package delivery

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// definitionPrefix is where endpoints are stored that are not the config's,
// with their secrets: the log's directory is the server's alone.
const definitionPrefix = "delivery-endpoint/"

// maxOverlap is how long two secrets may sign.
const maxOverlap = 7 * 24 * time.Hour

// Put creates an endpoint of the API, or replaces the one of the same ID. Its
// place in the log stays; what its filter let through before and what it left
// out are not looked at again. It returns when the change is stored.
func (e *Engine) Put(ctx context.Context, desc Endpoint) (Endpoint, error) {
	if desc.Source != "" && desc.Source != SourceAPI {
		return Endpoint{}, fmt.Errorf("put endpoint: %w", &EndpointError{Field: "source", Problem: "is given by the server"})
	}
	desc.Source = SourceAPI
	return e.put(ctx, desc)
}

func (e *Engine) put(ctx context.Context, desc Endpoint) (Endpoint, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	desc = desc.clone()
	if desc.ID == "" {
		desc.ID = newID("ep_")
	}
	desc.setDefaults()
	if desc.Secret == "" {
		desc.Secret = e.opts.Keys[desc.APIKey]
	}
	if err := desc.Validate(); err != nil {
		return Endpoint{}, fmt.Errorf("put endpoint: %w", err)
	}
	now := time.Now().UTC()
	desc.Created, desc.Updated = now, now
	old, err := e.find(desc.ID)
	if err == nil {
		if was := old.description(); was.Source != desc.Source || was.Scope != desc.Scope || was.Session != desc.Session {
			return Endpoint{}, fmt.Errorf("put endpoint %s: %w", desc.ID, ErrReadOnly)
		} else {
			desc.Created = was.Created
		}
		if err := e.change(old, desc); err != nil {
			return Endpoint{}, fmt.Errorf("put endpoint %s: %w", desc.ID, err)
		}
	} else if err := e.create(desc); err != nil {
		return Endpoint{}, fmt.Errorf("put endpoint %s: %w", desc.ID, err)
	}
	e.keepFull()
	if err := e.flush(ctx); err != nil {
		return Endpoint{}, fmt.Errorf("put endpoint %s: %w", desc.ID, err)
	}
	return e.Endpoint(desc.ID)
}

// create starts a new endpoint at the end of the log. e.admin must be held.
func (e *Engine) create(desc Endpoint) error {
	ep, err := newEndpoint(desc, e.feed, e.opts)
	if err != nil {
		return err
	}
	if err := ep.restore(storedState{}, e.opts.Log.Last()); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.store(desc)
	ep.save()
	e.endpoints = append(e.endpoints, ep)
	e.launch(ep)
	return nil
}

// change gives an endpoint another description. e.admin must be held.
func (e *Engine) change(ep *endpoint, desc Endpoint) error {
	s, err := newSender(&desc, e.feed, e.opts)
	if err != nil {
		return err
	}
	return ep.ask(func() {
		if desc.Source != SourceConfig {
			e.store(desc)
		}
		ep.change(desc, s, time.Now())
		ep.save()
	})
}

// change runs on the loop.
func (ep *endpoint) change(desc Endpoint, s *sender, now time.Time) {
	if ep.unusable != "" {
		ep.unusable, ep.more = "", true
		ep.logger.Info("webhooks: endpoint can be used again, it goes on in its place")
	}
	if !filterEqual(ep.desc.Filter, desc.Filter) {
		ep.passed = ep.scan
	}
	if ep.desc.URL != desc.URL {
		ep.enable() // it was another that is gone
	}
	ep.become(desc, s)
	if layoutOf(&desc) != ep.layout {
		ep.relaying = true
	}
	ep.sift(now)
	if desc.Paused {
		ep.pause()
	} else {
		ep.unpause()
	}
	ep.touchSelf(now)
}

func filterEqual(a, b Filter) bool {
	return slices.Equal(a.Events, b.Events) && slices.Equal(a.Exclude, b.Exclude) && slices.Equal(a.Rooms, b.Rooms) && maps.Equal(a.Tags, b.Tags)
}

// sift has the lanes read again, with a new filter.
func (ep *endpoint) sift(now time.Time) {
	ep.fresh, ep.retry, ep.trials = laneQueue{}, laneQueue{}, nil
	for _, l := range ep.lanes {
		if l.timer >= 0 {
			ep.timers.remove(l)
		}
		if l.unsifted = true; !l.flying {
			ep.siftLane(l, now)
		}
	}
}

// siftLane empties a lane's window, to be filled again from the log.
func (ep *endpoint) siftLane(l *lane, now time.Time) {
	l.unsifted = false
	for _, it := range l.items {
		if it.rec != nil {
			ep.retained -= weight(it.rec)
		}
	}
	if len(l.items) > 0 {
		h := l.head()
		l.scanned, l.tail = h.seq-1, h.prev
		rec := h.rec
		if rec == nil {
			rec, _ = ep.feed.record(context.Background(), h.seq)
		}
		if rec == nil || !ep.match.match(rec) {
			l.items = l.items[:1]
			l.pop() // what was tried of it is not of the next head
		}
	}
	l.items, l.overflow, l.trial, l.ripe = nil, true, false, time.Time{}
	if !l.hungry {
		l.hungry = true
		ep.hungry = append(ep.hungry, l)
	}
	ep.touch(l.key, now)
}

// keepFull has the log freeze track events in full while an endpoint wants that.
func (e *Engine) keepFull() {
	k, ok := e.opts.Log.(interface{ KeepFullTracks(bool) })
	if !ok {
		return
	}
	k.KeepFullTracks(slices.ContainsFunc(e.Endpoints(), func(d Endpoint) bool { return d.FullTrackContext }))
}

// store writes a description. It rides with the next write of the log.
func (e *Engine) store(desc Endpoint) {
	e.opts.Cursors.SaveCursors(map[string][]byte{definitionPrefix + desc.ID: mustJSON(desc)}, nil)
}

// flush waits until what was saved is stored, where the store can tell.
func (e *Engine) flush(ctx context.Context) error {
	if f, ok := e.opts.Cursors.(interface{ FlushCursors(context.Context) error }); ok {
		return f.FlushCursors(ctx)
	}
	return nil
}

// storedEndpoints returns the endpoints that are not the config's, the oldest
// first. One whose API key is gone is among them.
func (e *Engine) storedEndpoints() (all []Endpoint, _ error) {
	stored, err := e.opts.Cursors.LoadCursors(definitionPrefix)
	if err != nil {
		return nil, fmt.Errorf("load endpoints: %w", err)
	}
	for key, b := range stored {
		var desc Endpoint
		if err := json.Unmarshal(b, &desc); err != nil {
			return nil, fmt.Errorf("%q: %w: %w", key, ErrCursor, err)
		}
		desc.setDefaults()
		desc.Secret = e.opts.Keys[desc.APIKey]
		if problem := desc.problem(); problem != "" {
			e.opts.Logger.Error("webhooks: a stored endpoint cannot be used, its events wait in the log", "endpoint", desc.ID, "problem", problem)
		}
		all = append(all, desc)
	}
	slices.SortFunc(all, func(a, b Endpoint) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return e.dropUnbound(all), nil
}

// Delete ends an endpoint of the API, gives up its attempts in flight and
// forgets what was queued for it, its dead letters and its attempts.
func (e *Engine) Delete(ctx context.Context, id string) error {
	e.admin.Lock()
	defer e.admin.Unlock()
	ep, err := e.find(id)
	if err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	if ep.description().Source == SourceConfig {
		return fmt.Errorf("delete endpoint %s: %w", id, ErrReadOnly)
	}
	if err := e.remove(ep); err != nil {
		return fmt.Errorf("delete endpoint %s: %w", id, err)
	}
	if err := e.flush(ctx); err != nil {
		return fmt.Errorf("delete endpoint %s: %w", id, err)
	}
	return nil
}

// retire removes an endpoint whose room or egress is over.
func (e *Engine) retire(ep *endpoint) {
	e.admin.Lock()
	defer e.admin.Unlock()
	if err := e.remove(ep); err != nil {
		e.opts.Logger.Debug("webhooks: endpoint of what is over stays until the next start", "endpoint", ep.id, "err", err)
	}
}

// remove takes an endpoint out. e.admin must be held.
func (e *Engine) remove(ep *endpoint) error {
	if err := ep.ask(func() {
		ep.removed = true
		ep.giveUp()
	}); err != nil {
		return err
	}
	close(ep.endc)
	<-ep.donec
	e.feed.untell(ep.wakec)
	e.mu.Lock()
	e.endpoints = slices.DeleteFunc(e.endpoints, func(x *endpoint) bool { return x == ep })
	e.mu.Unlock()
	ep.sender.transport.CloseIdleConnections()

	c := e.opts.Cursors
	deletes := []string{definitionPrefix + ep.id, endpointKey(ep.id)}
	for _, prefix := range []string{endpointKey(ep.id) + "/", attemptPrefix(ep.id), deadPrefix + ep.id + "/", owedPrefix + ep.id + "/"} {
		stored, err := c.LoadCursors(prefix)
		if err != nil {
			return err
		}
		for key := range stored {
			deletes = append(deletes, key)
		}
	}
	c.SaveCursors(nil, deletes)
	return nil
}

// Endpoint returns one endpoint, secrets and all.
func (e *Engine) Endpoint(id string) (Endpoint, error) {
	ep, err := e.find(id)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint: %w", err)
	}
	return ep.description(), nil
}

// Endpoints returns all endpoints, secrets and all, the config's first.
func (e *Engine) Endpoints() []Endpoint {
	var all []Endpoint
	for _, ep := range e.all() {
		all = append(all, ep.description())
	}
	return all
}

func (ep *endpoint) description() (desc Endpoint) {
	ep.see(func() {
		desc = ep.desc.clone()
		desc.Paused = ep.paused
	})
	return desc
}

// Pause holds an endpoint's deliveries back, those of the config's too.
func (e *Engine) Pause(ctx context.Context, id string) error {
	return e.command(ctx, "pause", id, (*endpoint).pause)
}

// Resume lets them go on, also after a 410.
func (e *Engine) Resume(ctx context.Context, id string) error {
	return e.command(ctx, "resume", id, (*endpoint).resume)
}

func (e *Engine) command(ctx context.Context, what, id string, do func(*endpoint)) error {
	ep, err := e.find(id)
	if err == nil {
		err = ep.ask(func() { do(ep); ep.save() })
	}
	if err == nil {
		err = e.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s endpoint %s: %w", what, id, err)
	}
	return nil
}

// RotateSecret gives an endpoint of the API a new Standard Webhooks secret. What
// signed until now, the API secret at first, signs beside it for overlap.
func (e *Engine) RotateSecret(ctx context.Context, id string, overlap time.Duration) (Endpoint, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	fail := func(err error) (Endpoint, error) {
		return Endpoint{}, fmt.Errorf("rotate secret of endpoint %s: %w", id, err)
	}
	ep, err := e.find(id)
	if err != nil {
		return fail(err)
	}
	desc := ep.description()
	if desc.Source == SourceConfig {
		return fail(ErrReadOnly)
	}
	ep.see(func() { err = ep.usable() })
	if err != nil {
		return fail(err)
	}
	if overlap < 0 || overlap > maxOverlap {
		return fail(&EndpointError{Field: "overlap", Problem: fmt.Sprintf("want 0 to %s", maxOverlap)})
	}
	now := time.Now().UTC()
	old := Secret{} // the API secret
	for _, s := range desc.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(now) && old.Value == "" {
			old = s
		}
	}
	desc.Secrets = []Secret{{Value: NewSecret()}}
	if overlap > 0 {
		old.ExpiresAt = now.Add(overlap)
		desc.Secrets = append(desc.Secrets, old)
	}
	desc.Updated = now
	if err := e.change(ep, desc); err != nil {
		return fail(err)
	}
	if err := e.flush(ctx); err != nil {
		return fail(err)
	}
	return e.Endpoint(id)
}

func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}
