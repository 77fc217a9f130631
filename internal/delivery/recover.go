package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// recoveryPrefix is where recoveries are stored.
const recoveryPrefix = "delivery-recovery/"

const (
	defaultRecoveryRate = 100
	maxRecoveryRate     = 10_000
	// keptRecoveries of those that have ended stay to be asked about.
	keptRecoveries = 100
)

// recovery sends a part of the log again, on a goroutine of its own and beside
// the lanes: in order, one request at a time, marked late.
type recovery struct {
	cancelc chan struct{} // closed to end it

	mu        sync.Mutex
	state     Recovery // mu guards
	cancelled bool     // mu guards: cancelc is closed
}

// Recover starts to send a part of the log again and returns the recovery's id.
// It goes on after a restart where it was, give or take what was in flight.
func (e *Engine) Recover(ctx context.Context, req RecoverRequest) (id string, err error) {
	fail := func(problem string) (string, error) { return "", fmt.Errorf("%w: %s", ErrRecover, problem) }
	ep, err := e.find(req.Endpoint)
	if err != nil {
		return "", fmt.Errorf("recover: %w", err)
	}
	ep.see(func() { err = ep.usable() })
	if err != nil {
		return "", fmt.Errorf("recover: endpoint %s: %w", req.Endpoint, err)
	}
	if req.Through == 0 {
		req.Through = e.opts.Log.Last()
	}
	if req.Rate == 0 {
		req.Rate = defaultRecoveryRate
	}
	switch {
	case req.After >= req.Through && req.Through != 0:
		return fail("nothing is after its beginning and before its end")
	case !req.Until.IsZero() && !req.Since.Before(req.Until):
		return fail("it ends before it begins")
	case req.Rate < 0.001 || req.Rate > maxRecoveryRate:
		return fail(fmt.Sprintf("want a rate of at most %d requests a second", maxRecoveryRate))
	}
	if req.Filter != nil {
		if err := req.Filter.validate(); err != nil {
			return "", fmt.Errorf("%w: %w", ErrRecover, err)
		}
	}
	if req.ToURL != "" {
		desc := ep.description()
		desc.URL, desc.Source = req.ToURL, SourceAPI
		desc.CAFile, desc.ClientCert, desc.ClientKey, desc.Scope = "", "", "", ""
		if err := desc.Validate(); err != nil {
			return "", fmt.Errorf("%w: %w", ErrRecover, err)
		}
	}
	r := &recovery{cancelc: make(chan struct{}), state: Recovery{
		ID: newID("rec_"), Request: req, Position: req.After, State: RecoveryRunning, Started: time.Now().UTC(),
	}}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return "", fmt.Errorf("recover: %w", ErrClosed)
	}
	e.recoveries[r.state.ID] = r
	e.forgetRecoveries()
	r.save(e)
	e.follow(r)
	e.mu.Unlock()
	return r.state.ID, e.flush(ctx)
}

// forgetRecoveries drops the oldest that have ended. e.mu must be held.
func (e *Engine) forgetRecoveries() {
	var ended []Recovery
	for _, r := range e.recoveries {
		if s := r.snapshot(); s.State != RecoveryRunning {
			ended = append(ended, s)
		}
	}
	slices.SortFunc(ended, func(a, b Recovery) int { return b.Started.Compare(a.Started) })
	for _, s := range ended[min(len(ended), keptRecoveries):] {
		delete(e.recoveries, s.ID)
		e.opts.Cursors.SaveCursors(nil, []string{recoveryPrefix + s.ID})
	}
}

// restoreRecoveries loads what is stored of them.
func (e *Engine) restoreRecoveries() error {
	stored, err := e.opts.Cursors.LoadCursors(recoveryPrefix)
	if err != nil {
		return fmt.Errorf("load recoveries: %w", err)
	}
	for key, b := range stored {
		r := &recovery{cancelc: make(chan struct{})}
		if err := json.Unmarshal(b, &r.state); err != nil {
			return fmt.Errorf("%q: %w: %w", key, ErrCursor, err)
		}
		e.recoveries[r.state.ID] = r
	}
	return nil
}

// Recovery returns how one is doing.
func (e *Engine) Recovery(id string) (Recovery, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	r := e.recoveries[id]
	if r == nil {
		return Recovery{}, fmt.Errorf("%w: %s", ErrUnknownRecovery, id)
	}
	return r.snapshot(), nil
}

// Recoveries returns all that are kept, the newest first.
func (e *Engine) Recoveries() []Recovery {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]Recovery, 0, len(e.recoveries))
	for _, r := range e.recoveries {
		all = append(all, r.snapshot())
	}
	slices.SortFunc(all, func(a, b Recovery) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// CancelRecovery ends one after the attempt in flight.
func (e *Engine) CancelRecovery(ctx context.Context, id string) error {
	e.mu.RLock()
	r := e.recoveries[id]
	e.mu.RUnlock()
	if r == nil {
		return fmt.Errorf("cancel: %w: %s", ErrUnknownRecovery, id)
	}
	r.mu.Lock()
	if !r.cancelled && r.state.State == RecoveryRunning {
		r.cancelled = true
		r.state.State, r.state.Ended = RecoveryCancelled, time.Now().UTC()
		close(r.cancelc)
	}
	r.mu.Unlock()
	r.save(e)
	return e.flush(ctx)
}

func (r *recovery) snapshot() Recovery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *recovery) save(e *Engine) {
	s := r.snapshot()
	e.opts.Cursors.SaveCursors(map[string][]byte{recoveryPrefix + s.ID: mustJSON(s)}, nil)
}

// run sends until the range is done, the recovery cancelled or the engine closed.
func (r *recovery) run(ctx context.Context, e *Engine) {
	if r.snapshot().State != RecoveryRunning {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &recoverer{recovery: r, engine: e, req: r.snapshot().Request, ctx: ctx}
	w.pace.given = w.req.Rate
	err := w.work()
	if err == errPaused {
		return // the engine closes: it goes on after the next start
	}
	r.mu.Lock()
	if r.state.State == RecoveryRunning {
		r.state.Ended, r.state.State = time.Now().UTC(), RecoveryDone
		if err != nil {
			r.state.State, r.state.LastError = RecoveryFailed, err.Error()
		}
	}
	r.mu.Unlock()
	r.save(e)
}
