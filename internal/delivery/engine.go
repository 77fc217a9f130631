package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Engine delivers the log to its endpoints until it is closed.
type Engine struct {
	// immutable
	opts    *Options
	feed    *feed
	launch  func(*endpoint)    // starts the loop of an endpoint
	follow  func(*recovery)    // starts the goroutine of a recovery
	abandon context.CancelFunc // gives up the attempts in flight
	stop    context.CancelFunc // stops reading the log
	wg      sync.WaitGroup

	closeOnce sync.Once
	closing   chan struct{}

	// admin is held while an endpoint is made, changed or deleted.
	admin sync.Mutex

	mu         sync.RWMutex
	endpoints  []*endpoint          // mu guards; the config's first
	recoveries map[string]*recovery // mu guards
	closed     bool                 // mu guards: nothing is started any more
}

// Start reads the cursors and starts the engine's goroutines.
//
// An endpoint without a cursor starts with the log's next record: on a new log
// that is its first one. What the log held before is not sent to it.
func Start(o Options) (*Engine, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("start delivery: %w", err)
	}
	e := &Engine{
		opts:       &o,
		feed:       newFeed(o.Log, o.Logger),
		closing:    make(chan struct{}),
		recoveries: make(map[string]*recovery),
	}
	if err := e.restore(); err != nil {
		return nil, fmt.Errorf("start delivery: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	sending, abandon := context.WithCancel(context.Background())
	e.stop, e.abandon = stop, abandon
	e.launch = func(ep *endpoint) {
		ep.onEnded = func() { e.wg.Go(func() { e.retire(ep) }) }
		e.feed.tell(ep.wakec)
		e.wg.Go(func() { ep.run(ctx, sending, e.closing) })
	}
	e.follow = func(r *recovery) { e.wg.Go(func() { r.run(sending, e) }) }
	e.wg.Go(func() { e.feed.run(ctx) })
	for _, ep := range e.endpoints {
		e.launch(ep)
	}
	e.keepFull()
	for _, r := range e.recoveries {
		e.follow(r)
	}
	return e, nil
}

// restore makes the endpoints of the config and those that are stored.
func (e *Engine) restore() error {
	stored, err := e.opts.Cursors.LoadCursors(cursorPrefix)
	if err != nil {
		return fmt.Errorf("load cursors: %w", err)
	}
	states, err := parseCursors(stored)
	if err != nil {
		return err
	}
	all := slices.Clone(e.opts.Endpoints)
	made, err := e.storedEndpoints()
	if err != nil {
		return err
	}
	for _, desc := range made {
		if slices.ContainsFunc(all, func(c Endpoint) bool { return c.ID == desc.ID }) {
			e.opts.Logger.Error("webhooks: an endpoint of the API has the ID of a configured one and is left out", "endpoint", desc.ID)
			continue
		}
		all = append(all, desc)
	}
	for _, desc := range all {
		s := states[desc.ID]
		if err := s.load(e.opts.Cursors, desc.ID); err != nil {
			return err
		}
		ep, err := newEndpoint(desc, e.feed, e.opts)
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", desc.ID, err)
		}
		if err := ep.restore(s, e.feed.last()); err != nil {
			return err
		}
		ep.save() // a new endpoint's place must not come after its first event
		delete(states, desc.ID)
		e.endpoints = append(e.endpoints, ep)
	}
	for id, s := range states {
		e.opts.Logger.Info("webhooks: endpoint is no longer configured, its place in the log is kept",
			"endpoint", id, "after", s.cursor.After)
	}
	return e.restoreRecoveries()
}

// Close stops taking up new work, lets the attempts in flight end within ctx,
// saves the cursors and waits for the engine's goroutines. What is queued is
// still in the log and goes out after the next start.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.closeOnce.Do(func() { close(e.closing) })
	done := make(chan struct{})
	go func() {
		for _, ep := range e.all() {
			<-ep.donec
		}
		e.stop()
		e.wg.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	default:
		select {
		case <-done:
		case <-ctx.Done():
			err = fmt.Errorf("close delivery: attempts in flight were given up: %w", ctx.Err())
			e.abandon()
			<-done
		}
	}
	e.abandon()
	for _, ep := range e.all() {
		ep.sender.transport.CloseIdleConnections()
	}
	return err
}

// all returns the endpoints as they are now.
func (e *Engine) all() []*endpoint {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.endpoints)
}

func (e *Engine) find(id string) (*endpoint, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, ep := range e.endpoints {
		if ep.id == id {
			return ep, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownEndpoint, id)
}

// Stats returns how each endpoint is doing, those of the config first.
func (e *Engine) Stats() []EndpointStats {
	all := e.all()
	stats := make([]EndpointStats, len(all))
	for i, ep := range all {
		ep.see(func() { stats[i] = ep.stats() })
	}
	return stats
}

// storedState is what the cursors hold of one endpoint.
type storedState struct {
	known  bool
	cursor endpointCursor
	lanes  map[laneKey]laneCursor
	// What follows is loaded for each endpoint by itself.
	attempts map[string][]byte
	dead     []*deadLetter
	owed     map[laneKey][]uint64
}

// load reads what is stored of an endpoint beside its cursors.
func (s *storedState) load(c Cursors, id string) (err error) {
	if s.attempts, err = c.LoadCursors(attemptPrefix(id)); err != nil {
		return fmt.Errorf("load attempts: %w", err)
	}
	dead, err := c.LoadCursors(deadPrefix + id + "/")
	if err != nil {
		return fmt.Errorf("load dead letters: %w", err)
	}
	for key, b := range dead {
		d := &deadLetter{timer: -1}
		if err := json.Unmarshal(b, d); err != nil {
			return fmt.Errorf("%q: %w: %w", key, ErrCursor, err)
		}
		s.dead = append(s.dead, d)
	}
	owed, err := c.LoadCursors(owedPrefix + id + "/")
	if err != nil {
		return fmt.Errorf("load gaps: %w", err)
	}
	s.owed = make(map[laneKey][]uint64, len(owed))
	for key, b := range owed {
		name := strings.TrimPrefix(key, owedPrefix+id+"/")
		var gaps []uint64
		if err := json.Unmarshal(b, &gaps); err != nil || name == "" {
			return fmt.Errorf("%q: %w: %w", key, ErrCursor, err)
		}
		s.owed[laneKey{laneKind(name[0]), name[1:]}] = gaps
	}
	return nil
}

func parseCursors(stored map[string][]byte) (map[string]storedState, error) {
	states := make(map[string]storedState)
	for key, value := range stored {
		id, lane, isLane, err := parseCursorKey(key)
		if err != nil {
			return nil, err
		}
		s := states[id]
		if isLane {
			c, err := decodeLaneCursor(value)
			if err != nil {
				return nil, fmt.Errorf("cursor %q: %w", key, err)
			}
			if s.lanes == nil {
				s.lanes = make(map[laneKey]laneCursor)
			}
			s.lanes[lane] = c
		} else {
			if s.cursor, err = decodeEndpointCursor(value); err != nil {
				return nil, fmt.Errorf("cursor %q: %w", key, err)
			}
			s.known = true
		}
		states[id] = s
	}
	return states, nil
}
