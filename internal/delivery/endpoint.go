package delivery

import (
	"context"
	"log/slog"
	"net/url"
	"time"
)

const (
	// saveDelay gathers cursor changes: most lanes come and go within it and
	// are never written. It bounds what a crash sends twice, beside what is
	// in flight.
	saveDelay = 10 * time.Millisecond
	// retainBytes of record bodies stay with the lanes of one endpoint; what
	// is beyond is read from the log again when its turn comes.
	retainBytes = 4 << 20
	// readPause follows a failed read of the log.
	readPause = time.Second
)

// endpoint is one receiver: its loop owns the lanes, the breaker and the
// cursors, and no lock.
type endpoint struct {
	// immutable
	id      string
	label   string // the URL without what may be secret in it
	opts    *Options
	feed    *feed
	sender  *sender
	logger  *slog.Logger
	wakec   chan struct{} // the log has more; one slot
	resultc chan result   // a slot for each attempt in flight
	askc    chan func()   // questions to the loop
	donec   chan struct{} // closed when the loop has ended

	// loop only
	scan     uint64 // everything up to it is done or in lanes
	more     bool   // the log may hold something after scan
	filling  bool   // reading ahead until enough lanes are ready
	disabled *time.Time
	lanes    map[laneKey]*lane
	fresh    laneQueue // heads that were never tried
	retry    laneQueue // heads whose gap is over
	timers   timerHeap // heads whose gap is not
	hungry   []*lane   // windows to fill from the log
	prev     *previous
	breaker  *breaker
	health   health
	inFlight int
	picks    int
	retained int       // bytes of bodies that lanes hold
	readAt   time.Time // no read of the log before it
	closing  bool

	// loop only: what changed since the cursors were saved
	moved  bool // the endpoint's own cursor
	dirty  map[laneKey]struct{}
	saved  map[laneKey]struct{} // lanes that the stored cursors know
	saveAt time.Time            // zero when nothing changed

	// loop only: counters
	attempts, successes, failures uint64
	missing                       uint64
	lastError                     string
	lastErrorAt                   time.Time
}

// newEndpoint returns the endpoint of a valid description.
func newEndpoint(desc Endpoint, f *feed, o *Options) *endpoint {
	u, err := url.Parse(desc.URL)
	if err != nil {
		panic("BUG: an endpoint with a bad URL was let in")
	}
	label := redact(u)
	return &endpoint{
		id:    desc.ID,
		label: label,
		opts:  o,
		feed:  f,
		sender: &sender{
			url:       u,
			transport: newTransport(o),
			signer:    newSigner(desc.APIKey, desc.Secret),
			feed:      f,
			timeout:   o.Timeout,
			maxRetry:  o.Retry.MaxRetryAfter,
		},
		logger:  o.Logger.With("endpoint", desc.ID, "url", label),
		wakec:   make(chan struct{}, 1),
		resultc: make(chan result, o.Concurrency+1), // one more: a probe beside leftovers
		askc:    make(chan func()),
		donec:   make(chan struct{}),
		lanes:   make(map[laneKey]*lane),
		prev:    newPrevious(o.MaxLanes),
		breaker: newBreaker(o.Breaker, o.Concurrency),
		dirty:   make(map[laneKey]struct{}),
		saved:   make(map[laneKey]struct{}),
		more:    true,
	}
}

// restore takes over what the cursors hold; last is the log's newest record.
func (ep *endpoint) restore(s storedState, last uint64) {
	if !s.known {
		ep.scan = last
		ep.touchSelf(time.Now())
		return
	}
	if ep.scan = s.cursor.After; ep.scan > last {
		ep.logger.Error("webhooks: the log is shorter than what the endpoint had of it", "after", ep.scan, "last", last)
		ep.scan = last
		ep.touchSelf(time.Now())
	}
	ep.disabled = s.cursor.Disabled
	for key, c := range s.lanes {
		ep.saved[key] = struct{}{}
		l := &lane{
			key: key, timer: -1, scanned: c.After, tail: c.Prev, overflow: true,
			attempts: c.Attempts, firstFailure: c.FirstFailure, hungry: true,
		}
		ep.lanes[key] = l
		ep.hungry = append(ep.hungry, l)
	}
	if ep.disabled != nil {
		ep.logger.Warn("webhooks: endpoint is disabled since it answered 410 Gone", "since", *ep.disabled)
	}
}

// run is the loop. Attempts run under sending; ctx bounds reads of the log.
func (ep *endpoint) run(ctx, sending context.Context, closing <-chan struct{}) {
	defer close(ep.donec)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		ep.expire(now)
		ep.refill(ctx, now)
		ep.launch(sending, now)
		if ep.closing && ep.inFlight == 0 {
			ep.save()
			return
		}
		ep.maybeSave(now)

		if ep.wantsRefill(now) {
			timer.Reset(0)
		} else if at := ep.deadline(now); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(at.Sub(now))
		}
		select {
		case r := <-ep.resultc:
			ep.finish(r, time.Now())
			ep.finishMore()
		case <-ep.wakec:
			ep.more = true
		case ask := <-ep.askc:
			ask()
		case <-timer.C:
		case <-closing:
			ep.closing, closing = true, nil
		}
	}
}

// finishMore takes the results that are there already: one turn for many.
func (ep *endpoint) finishMore() {
	for {
		select {
		case r := <-ep.resultc:
			ep.finish(r, time.Now())
		default:
			return
		}
	}
}

// ask runs f on the loop and waits for it.
func (ep *endpoint) ask(f func()) error {
	done := make(chan struct{})
	select {
	case ep.askc <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ep.donec:
		return ErrClosed
	}
}

// deadline returns when the loop has something to do of its own accord.
func (ep *endpoint) deadline(now time.Time) time.Time {
	var at time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	earlier(ep.saveAt)
	if ep.readAt.After(now) {
		earlier(ep.readAt)
	}
	if len(ep.timers) > 0 {
		earlier(ep.timers[0].due)
	}
	earlier(ep.breaker.deadline(now))
	return at
}

// expire makes the lanes ready whose gap is over.
func (ep *endpoint) expire(now time.Time) {
	for len(ep.timers) > 0 && !ep.timers[0].due.After(now) {
		l := ep.timers[0]
		ep.timers.remove(l)
		l.held = false
		ep.retry.push(l)
	}
}

// launch starts as many attempts as the breaker allows.
func (ep *endpoint) launch(sending context.Context, now time.Time) {
	for !ep.closing && ep.disabled == nil {
		anyLane, fresh, probe := ep.breaker.slots(now, ep.inFlight)
		var l *lane
		switch {
		case probe:
			l = ep.pickProbe()
		case anyLane > 0:
			l = ep.pick()
		case fresh > 0 && ep.fresh.len() > 0:
			l = ep.fresh.pop()
		}
		if l == nil {
			return
		}
		if probe {
			ep.breaker.probed()
		}
		ep.start(sending, l, probe)
	}
}

// pick takes first attempts before retries, but every fourth time a retry, so
// that neither waits for ever.
func (ep *endpoint) pick() *lane {
	switch fresh, retry := ep.fresh.len() > 0, ep.retry.len() > 0; {
	case fresh && retry:
		if ep.picks++; ep.picks%4 == 0 {
			return ep.retry.pop()
		}
		return ep.fresh.pop()
	case fresh:
		return ep.fresh.pop()
	case retry:
		return ep.retry.pop()
	default:
		return nil
	}
}

// pickProbe prefers a lane that nobody has refused yet: a probe with an event
// that is refused for itself would not tell that the receiver is back. Failing
// that, the lane that waited longest goes, whatever its gap.
func (ep *endpoint) pickProbe() *lane {
	switch {
	case ep.fresh.len() > 0:
		return ep.fresh.pop()
	case ep.retry.len() > 0:
		return ep.retry.pop()
	}
	var first *lane
	for _, l := range ep.timers {
		if !l.held && (first == nil || l.due.Before(first.due)) {
			first = l
		}
	}
	if first != nil {
		ep.timers.remove(first)
	}
	return first
}

func (ep *endpoint) start(sending context.Context, l *lane, probe bool) {
	l.flying = true
	l.attempts++
	ep.inFlight++
	h := l.head()
	j := job{lane: l, seq: h.seq, prev: h.prev, rec: h.rec, attempt: l.attempts, probe: probe}
	// The loop ends only when nothing is in flight, so it waits for these.
	go func() { ep.resultc <- ep.sender.send(sending, j) }()
}
