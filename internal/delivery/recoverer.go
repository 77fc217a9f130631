package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

var (
	// errPaused ends a recoverer whose engine closes.
	errPaused = errors.New("recovery paused")
	// errCancelled ends one that was cancelled.
	errCancelled = errors.New("recovery cancelled")
)

// pauseCheck is how often a recovery looks whether its endpoint goes on.
const pauseCheck = 5 * time.Second

// recoverer is the working state of a recovery's goroutine.
type recoverer struct {
	*recovery
	engine *Engine
	req    RecoverRequest
	ctx    context.Context // of this run: the goroutine's own

	pace       pace
	queue      []*event.Record // read and matching
	generation uint64          // of the feed that queue is of, or an older one
	read       uint64          // up to where the log was read
	other      *sender         // for ToURL
	match      *matcher
}

// work sends one event after the other. One that is refused is tried again like
// the head of a lane; it is left behind when the one after it is accepted.
func (w *recoverer) work() error {
	if err := w.prepare(); err != nil {
		return err
	}
	w.read = w.snapshot().Position
	for {
		if err := w.fill(1); err != nil {
			return err
		}
		if len(w.queue) == 0 {
			w.advance(max(w.read, w.req.Through), 0, 0)
			return nil
		}
		if err := w.deliver(); err != nil {
			return err
		}
	}
}

func (w *recoverer) prepare() error {
	ep, err := w.engine.find(w.req.Endpoint)
	if err != nil {
		return err
	}
	desc := ep.description()
	if w.req.Filter != nil {
		desc.Filter = *w.req.Filter
	}
	w.match = newMatcher(&desc)
	if w.req.ToURL == "" {
		return nil
	}
	ep.see(func() { err = ep.usable() })
	if err != nil {
		return err // it signs
	}
	desc.URL, desc.Source = w.req.ToURL, SourceAPI
	desc.CAFile, desc.ClientCert, desc.ClientKey = "", "", ""
	w.other, err = newSender(&desc, w.engine.feed, w.engine.opts)
	return err
}

// fill reads on until n records are in the queue or the range is at its end.
func (w *recoverer) fill(n int) error {
	for len(w.queue) < n && w.read < w.req.Through {
		if err := w.interrupted(); err != nil {
			return err
		}
		if len(w.queue) == 0 {
			w.generation = w.engine.feed.changes()
		}
		entries, upTo, err := w.engine.feed.read(w.ctx, w.read, scanChunk)
		if gone, ok := left(w.read, err); ok {
			w.forgo(gone)
			continue
		}
		if err != nil {
			if err := w.sleep(readPause); err != nil {
				return err
			}
			continue
		}
		if upTo <= w.read {
			w.read = w.req.Through // the log ends before
			break
		}
		skipped := uint64(0)
		for _, e := range entries {
			switch rec := e.rec; {
			case rec.Seq > w.req.Through:
			case !w.req.Since.IsZero() && rec.Time.Before(w.req.Since), !w.req.Until.IsZero() && !rec.Time.Before(w.req.Until),
				!w.match.match(rec):
				skipped++
			default:
				w.queue = append(w.queue, rec)
			}
		}
		w.read = min(upTo, w.req.Through)
		w.mu.Lock()
		w.state.Skipped += skipped
		if len(w.queue) == 0 {
			w.state.Position = w.read
		}
		w.mu.Unlock()
		if len(w.queue) == 0 {
			w.save(w.engine)
		}
	}
	return nil
}

// deliver gets rid of the first record of the queue, and of the second if that
// was how the first was found to be refused alone.
func (w *recoverer) deliver() error {
	p := &w.engine.opts.Retry
	var since time.Time
	for n := 1; ; n++ {
		r, err := w.try(w.queue[0], n)
		if err != nil {
			return err
		}
		now := time.Now()
		switch {
		case r.delivered():
			w.done(1, 0)
			return nil
		case errors.Is(r.err, errMissing):
			w.done(0, 1)
			return nil
		}
		if since.IsZero() {
			since = now
		}
		w.failed(&r)
		if n >= p.Attempts && now.Sub(since) >= p.Persistence && !unreachable(r.err) {
			if err := w.fill(2); err != nil {
				return err
			}
			if len(w.queue) < 2 {
				w.done(0, 1) // nothing is after it that it could hold up
				return nil
			}
			next, err := w.try(w.queue[1], 1)
			if err != nil {
				return err
			}
			if next.delivered() {
				w.done(1, 1)
				return nil
			}
		}
		gap := max(p.gap(n, w.engine.opts.Random()), r.retryAfter)
		if err := w.sleep(gap); err != nil {
			return err
		}
	}
}

// try makes one attempt, when the rate and the endpoint let it.
func (w *recoverer) try(rec *event.Record, n int) (result, error) {
	for {
		now := time.Now()
		if at := w.pace.wait(now); !at.IsZero() {
			if err := w.sleep(at.Sub(now)); err != nil {
				return result{}, err
			}
		}
		if err := w.interrupted(); err != nil {
			return result{}, err
		}
		s := w.other
		if s == nil {
			ep, err := w.engine.find(w.req.Endpoint)
			if err != nil {
				return result{}, err
			}
			held := false
			if err := ep.ask(func() { s, held = ep.sender, ep.disabled != nil || ep.paused || ep.unusable != "" }); err != nil {
				return result{}, errPaused
			}
			if held {
				if err := w.sleep(pauseCheck); err != nil {
					return result{}, err
				}
				continue
			}
		}
		w.pace.sent(time.Now())
		r := s.send(w.ctx, job{seq: rec.Seq, rec: rec, generation: w.generation, details: details{attempt: n, late: true, recovery: w.state.ID}})
		if r.cancelled {
			return r, errPaused
		}
		if r.allows {
			w.pace.allowed = r.allowed
		}
		w.keep(&r)
		return r, nil
	}
}

// keep puts the attempt among the endpoint's.
func (w *recoverer) keep(r *result) {
	if w.other != nil {
		return
	}
	ep, err := w.engine.find(w.req.Endpoint)
	if err != nil {
		return
	}
	a := r.attempt()
	a.Requested = true
	ep.ask(func() {
		now := time.Now()
		ep.attempts.add(a)
		ep.touchSave(now)
		if a.Delivered() {
			ep.exhume(a.Seq, now)
		}
	})
}

// done moves on by the records that were sent and those that failed.
func (w *recoverer) done(sent, failed int) {
	n := sent + failed
	last := w.queue[n-1].Seq
	w.queue = slices.Delete(w.queue, 0, n)
	w.advance(last, sent, failed)
}

func (w *recoverer) advance(position uint64, sent, failed int) {
	w.mu.Lock()
	w.state.Position = max(w.state.Position, position)
	w.state.Sent += uint64(sent)
	w.state.Failures += uint64(failed)
	w.mu.Unlock()
	w.save(w.engine)
}

// forgo goes on after events that have left the log.
func (w *recoverer) forgo(s span) {
	w.read = min(s.To, w.req.Through)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Failures += w.read - s.From + 1
	w.state.LastError = fmt.Sprintf("events %d to %d have left the log", s.From, w.read)
	if len(w.queue) == 0 {
		w.state.Position = w.read
	}
}

func (w *recoverer) failed(r *result) {
	w.mu.Lock()
	w.state.LastError = r.reason()
	w.mu.Unlock()
}

// interrupted says why the recoverer has to stop, nil if it has not.
func (w *recoverer) interrupted() error {
	select {
	case <-w.cancelc:
		return errCancelled
	case <-w.engine.closing:
		return errPaused
	default:
		return nil
	}
}

func (w *recoverer) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-w.cancelc:
		return errCancelled
	case <-w.engine.closing:
		return errPaused
	}
}
