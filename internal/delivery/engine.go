package delivery

import (
	"context"
	"fmt"
	"sync"
)

// Engine delivers the log to its endpoints until it is closed.
type Engine struct {
	// immutable
	feed      *feed
	endpoints []*endpoint
	abandon   context.CancelFunc // gives up the attempts in flight
	stop      context.CancelFunc // stops reading the log
	wg        sync.WaitGroup

	closeOnce sync.Once
	closing   chan struct{}
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
	stored, err := o.Cursors.LoadCursors(cursorPrefix)
	if err != nil {
		return nil, fmt.Errorf("start delivery: load cursors: %w", err)
	}
	e := &Engine{
		feed:    newFeed(o.Log, o.Logger),
		closing: make(chan struct{}),
	}
	states, err := parseCursors(stored)
	if err != nil {
		return nil, fmt.Errorf("start delivery: %w", err)
	}
	for _, desc := range o.Endpoints {
		ep := newEndpoint(desc, e.feed, &o)
		ep.restore(states[desc.ID], e.feed.last())
		ep.save() // a new endpoint's place must not come after its first event
		delete(states, desc.ID)
		e.endpoints = append(e.endpoints, ep)
		e.feed.wake = append(e.feed.wake, ep.wakec)
	}
	for id, s := range states {
		o.Logger.Info("webhooks: endpoint is no longer configured, its place in the log is kept",
			"endpoint", id, "after", s.cursor.After)
	}

	ctx, stop := context.WithCancel(context.Background())
	sending, abandon := context.WithCancel(context.Background())
	e.stop, e.abandon = stop, abandon
	e.wg.Go(func() { e.feed.run(ctx) })
	for _, ep := range e.endpoints {
		e.wg.Go(func() { ep.run(ctx, sending, e.closing) })
	}
	return e, nil
}

// Close stops taking up new work, lets the attempts in flight end within ctx,
// saves the cursors and waits for the engine's goroutines. What is queued is
// still in the log and goes out after the next start.
func (e *Engine) Close(ctx context.Context) error {
	e.closeOnce.Do(func() { close(e.closing) })
	var err error
	for _, ep := range e.endpoints {
		select {
		case <-ep.donec:
			continue
		default:
		}
		select {
		case <-ep.donec:
		case <-ctx.Done():
			err = fmt.Errorf("close delivery: attempts in flight were given up: %w", ctx.Err())
			e.abandon()
			<-ep.donec
		}
	}
	e.abandon()
	e.stop()
	e.wg.Wait()
	for _, ep := range e.endpoints {
		ep.sender.transport.CloseIdleConnections()
	}
	return err
}

// Enable lets an endpoint that answered 410 Gone go on where it stopped.
func (e *Engine) Enable(id string) error {
	for _, ep := range e.endpoints {
		if ep.id == id {
			return ep.ask(ep.enable)
		}
	}
	return fmt.Errorf("enable %s: %w", id, ErrUnknownEndpoint)
}

// Stats returns how each endpoint is doing, in the order of Options.Endpoints.
func (e *Engine) Stats() []EndpointStats {
	stats := make([]EndpointStats, len(e.endpoints))
	for i, ep := range e.endpoints {
		collect := func() { stats[i] = ep.stats() }
		if ep.ask(collect) != nil {
			collect() // the loop has ended: nobody else has the state
		}
	}
	return stats
}

// storedState is what the cursors hold of one endpoint.
type storedState struct {
	known  bool
	cursor endpointCursor
	lanes  map[laneKey]laneCursor
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
