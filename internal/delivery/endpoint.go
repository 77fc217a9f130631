package delivery

import (
	"context"
	"log/slog"
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
	opts    *Options
	totals  *totals // shared by those of rooms and egresses
	feed    *feed
	wakec   chan struct{} // the log has more; one slot
	resultc chan result   // a slot for each attempt in flight
	askc    chan func()   // questions to the loop
	endc    chan struct{} // closed to end this endpoint alone
	donec   chan struct{} // closed when the loop has ended
	onEnded func()        // called when its room or egress is over and all is delivered; returns at once

	// loop only: what the endpoint is
	desc   Endpoint
	label  string // the URL without what may be secret in it
	match  *matcher
	sender *sender
	layout layout
	logger *slog.Logger
	// unusable says why nothing can be sent until it is put again, "" if it can.
	unusable string

	// loop only
	scan       uint64 // everything up to it is done or in lanes
	from       uint64 // where the endpoint began
	passed     uint64 // where its filter was changed last
	more       bool   // the log may hold something after scan
	filling    bool   // reading ahead until enough lanes are ready
	disabled   *time.Time
	paused     bool
	ended      *time.Time
	retiring   bool // onEnded was called
	relaying   bool // nothing starts until nothing flies: the layout changes
	lanes      map[laneKey]*lane
	fresh      laneQueue     // heads that were never tried
	retry      laneQueue     // heads whose gap is over
	timers     timers[*lane] // heads whose gap is not
	trials     []*lane       // whose next event is tried at once
	hungry     []*lane       // windows to fill from the log
	prev       *previous
	breaker    *breaker
	downs      int // how often it opened, and was left
	pace       pace
	health     health
	inFlight   int
	picks      int
	generation uint64    // of the feed that the lanes' records are of, or an older one
	retained   int       // bytes of bodies that lanes hold
	readAt     time.Time // no read of the log before it
	closing    bool
	giveUp     context.CancelFunc
	removed    bool // nothing is saved any more

	// loop only: what was given up
	dead       map[uint64]*deadLetter
	deadTimers timers[*deadLetter]
	deadFlying int
	sweepAt    time.Time            // when dead letters that cannot be sent are looked for
	owed       map[laneKey][]uint64 // gaps that a lane's next delivery tells of
	gone       span                 // what left the log unread, until a delivery has told of it

	// loop only: what changed since the cursors were saved
	moved     bool // the endpoint's own cursor
	dirty     map[laneKey]struct{}
	saved     map[laneKey]struct{} // lanes that the stored cursors know
	dirtyDead map[uint64]struct{}
	dirtyOwed map[laneKey]struct{}
	attempts  attemptLog
	saveAt    time.Time // zero when nothing changed

	// loop only: counters
	tried, successes, failures uint64
	missing, abandoned         uint64
	dropped                    uint64 // dead letters
	lastError                  string
	lastErrorAt                time.Time
}

// newEndpoint returns the endpoint of a description; of one that is not valid it
// is one that cannot be used. It fails on files that cannot be.
func newEndpoint(desc Endpoint, f *feed, o *Options) (*endpoint, error) {
	ep := &endpoint{
		id:        desc.ID,
		opts:      o,
		feed:      f,
		wakec:     make(chan struct{}, 1),
		resultc:   make(chan result, o.Concurrency+deadLanes+1), // one more: a probe beside leftovers
		askc:      make(chan func()),
		endc:      make(chan struct{}),
		donec:     make(chan struct{}),
		lanes:     make(map[laneKey]*lane),
		prev:      newPrevious(o.MaxLanes),
		breaker:   newBreaker(o.Breaker, o.Concurrency),
		dead:      make(map[uint64]*deadLetter),
		owed:      make(map[laneKey][]uint64),
		dirty:     make(map[laneKey]struct{}),
		saved:     make(map[laneKey]struct{}),
		dirtyDead: make(map[uint64]struct{}),
		dirtyOwed: make(map[laneKey]struct{}),
		attempts:  attemptLog{prefix: attemptPrefix(desc.ID)},
		more:      true,
		totals:    new(totals),
	}
	if desc.Scope != "" {
		ep.totals = o.totals
	}
	of := desc
	if ep.unusable = desc.problem(); ep.unusable != "" {
		of = desc.blank()
	}
	sender, err := newSender(&of, f, o)
	if err != nil {
		return nil, err
	}
	ep.become(desc, sender)
	ep.layout = layoutOf(&desc)
	return ep, nil
}

// earliest returns t, but not what lies after limit; zero stays zero.
func earliest(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

// become takes over a description, but for its layout.
func (ep *endpoint) become(desc Endpoint, s *sender) {
	if ep.sender != nil {
		ep.sender.transport.CloseIdleConnections()
	}
	ep.desc, ep.sender = desc, s
	ep.label = redact(s.url)
	ep.match = newMatcher(&desc)
	ep.pace.given = desc.Rate
	ep.logger = ep.opts.Logger.With("endpoint", ep.id, "url", ep.label)
}

// restore takes over what the cursors hold; last is the log's newest record.
func (ep *endpoint) restore(s storedState, last uint64) error {
	if err := ep.attempts.restore(s.attempts); err != nil {
		return err
	}
	if !s.known {
		ep.scan, ep.from, ep.paused = last, last, ep.desc.Paused
		ep.touchSelf(time.Now())
		return nil
	}
	c := &s.cursor
	ep.from, ep.passed, ep.paused = c.From, c.Passed, c.Paused
	ep.ended, ep.disabled, ep.gone = c.Ended, c.Disabled, c.Gone
	if ep.scan = c.After; ep.scan > last {
		ep.logger.Error("webhooks: the log is shorter than what the endpoint had of it", "after", ep.scan, "last", last)
		ep.scan = last
		ep.touchSelf(time.Now())
	}
	// What was stored is of the clock of then, which may have been ahead of ours.
	now := time.Now()
	for key, lc := range s.lanes {
		ep.saved[key] = struct{}{}
		l := &lane{
			key: key, timer: -1, scanned: lc.After, tail: lc.Prev, overflow: true,
			attempts: lc.Attempts, firstFailure: earliest(lc.FirstFailure, now), hungry: true, size: ep.desc.Batch.Max,
		}
		ep.lanes[key] = l
		ep.hungry = append(ep.hungry, l)
	}
	if c.Layout != ep.layout {
		ep.relay(time.Now())
	}
	p := &ep.opts.Retry
	for _, d := range s.dead {
		longest := p.Late[len(p.Late)-1]
		d.Since, d.AbandonedAt = earliest(d.Since, now), earliest(d.AbandonedAt, now)
		d.Next = earliest(d.Next, now.Add(longest+time.Duration(max(p.Jitter, 0)*float64(longest))))
		ep.dead[d.Seq] = d
		ep.deadTimers.wait(d)
	}
	ep.boundDead(now)
	for key, gaps := range s.owed {
		ep.owed[key] = gaps
	}
	if ep.disabled != nil {
		ep.logger.Warn("webhooks: endpoint is disabled since it answered 410 Gone", "since", *ep.disabled)
	}
	return nil
}

// relay lays all that is not acknowledged out in lanes anew: the log is read
// again from the oldest of it, so what other lanes had accepted since goes twice.
func (ep *endpoint) relay(now time.Time) {
	for key, l := range ep.lanes {
		at := l.scanned
		if len(l.items) > 0 {
			at = l.head().seq - 1
		}
		ep.scan = min(ep.scan, at)
		ep.touch(key, now)
	}
	ep.lanes = make(map[laneKey]*lane)
	ep.fresh, ep.retry, ep.timers, ep.hungry, ep.trials = laneQueue{}, laneQueue{}, nil, nil, nil
	ep.prev, ep.retained = newPrevious(ep.opts.MaxLanes), 0
	ep.layout, ep.relaying, ep.more = layoutOf(&ep.desc), false, true
	ep.touchSelf(now)
}

// always is ready. A timer of no time would do as well, but two that a select fires in
// one bubble of synctest at once end the process under the race detector (Go 1.26).
var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// run is the loop. Attempts run under sending; ctx bounds reads of the log.
func (ep *endpoint) run(ctx, sending context.Context, closing <-chan struct{}) {
	defer close(ep.donec)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	endc := ep.endc
	sending, ep.giveUp = context.WithCancel(sending)
	defer ep.giveUp()
	for {
		now := time.Now()
		if ep.relaying && ep.inFlight == 0 {
			ep.relay(now)
		}
		ep.expire(now)
		ep.sweep(now)
		ep.refill(ctx, now)
		ep.launch(sending, now)
		if ep.closing && ep.inFlight == 0 {
			ep.save()
			return
		}
		ep.maybeRetire(now)
		ep.maybeSave(now)

		due := now
		if !ep.wantsRefill(now) {
			due = ep.deadline(now)
		}
		var again <-chan struct{}
		timer.Stop()
		switch wait := due.Sub(now); {
		case due.IsZero():
		case wait > 0:
			timer.Reset(wait)
		default:
			again = always
		}
		select {
		case r := <-ep.resultc:
			ep.finish(r, time.Now())
			ep.finishMore()
		case <-ep.wakec:
			ep.more = true
		case ask := <-ep.askc:
			ask()
		case <-again:
		case <-timer.C:
		case <-closing:
			ep.closing, closing = true, nil
		case <-endc:
			ep.closing, endc = true, nil
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

// see runs f where it may read the state: on the loop, or here when the loop has
// ended and nobody else has the state.
func (ep *endpoint) see(f func()) {
	if ep.ask(f) != nil {
		f()
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
	if len(ep.dead) > 0 {
		earlier(ep.sweepAt)
	}
	if ep.readAt.After(now) {
		earlier(ep.readAt)
	}
	if len(ep.timers) > 0 {
		earlier(ep.timers[0].due)
	}
	if ep.ended != nil && !ep.retiring && ep.inFlight == 0 {
		earlier(ep.ended.Add(ep.opts.Retry.MaxAge))
	}
	earlier(ep.breaker.deadline(now))
	if at := ep.pace.wait(now); !at.IsZero() && ep.eager() {
		earlier(at)
	}
	if ep.mayRetryDead(now) && len(ep.deadTimers) > 0 && ep.pace.wait(now).IsZero() {
		earlier(ep.deadTimers[0].Next)
	}
	return at
}

// eager says whether something would start but for the pace.
func (ep *endpoint) eager() bool {
	return ep.fresh.len() > 0 || ep.retry.len() > 0 || len(ep.deadTimers) > 0
}

// maybeRetire ends the endpoint of a room or an egress that is over, when
// nothing is left to deliver; and when nobody was there for as long as an event
// is tried at all.
func (ep *endpoint) maybeRetire(now time.Time) {
	if ep.ended == nil || ep.retiring || ep.onEnded == nil || ep.inFlight > 0 {
		return
	}
	tooLong := now.Sub(*ep.ended) >= ep.opts.Retry.MaxAge
	if (len(ep.lanes) > 0 || ep.pendingDead() > 0) && !tooLong {
		return
	}
	if tooLong && len(ep.lanes) > 0 {
		ep.logger.Error("webhooks: endpoint of a room or egress that is over does not accept its last events, it is dropped",
			"ended", *ep.ended, "reason", ep.lastError)
	}
	ep.retiring = true
	ep.onEnded()
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
