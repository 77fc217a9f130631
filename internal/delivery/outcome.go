package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// witnessLimit is how often a head may be refused while the endpoint accepts
// other lanes' events before its failures say nothing of the endpoint.
const witnessLimit = 3

// finish draws the conclusions of one attempt.
func (ep *endpoint) finish(r result, now time.Time) {
	ep.inFlight--
	if r.allows {
		ep.pace.allowed = r.allowed
	}
	if r.dead != nil {
		ep.finishDead(&r, now)
		return
	}
	l := r.lane
	l.flying = false
	if !r.cancelled && !errors.Is(r.err, errRead) {
		ep.note(&r)
	}
	switch {
	case r.status == http.StatusGone:
		ep.breaker.aborted(r.probe)
		if !r.trial {
			ep.failed(l, &r, now)
		}
		l.trial = false
		ep.disable(now)
		ep.settle(l, now)
	case r.trial:
		ep.triedNext(l, &r, now)
	case r.delivered():
		ep.accepted(l, &r, now)
	case errors.Is(r.err, errMissing):
		ep.breaker.aborted(r.probe)
		i := l.missing(r.err)
		if i > 0 {
			l.attempts-- // at the head, which nobody was sent
		}
		ep.lost(l, i, now)
		ep.settle(l, now)
	case r.cancelled:
		ep.breaker.aborted(r.probe)
		l.attempts--
		ep.settle(l, now)
	case errors.Is(r.err, errRead):
		ep.breaker.aborted(r.probe)
		l.attempts--
		ep.logger.Error("webhooks: reading the event log", "err", r.err)
		ep.wait(l, now.Add(readPause), now)
	case r.stale && !l.staleRetried:
		// The receiver may close an idle connection just when it is used
		// again: nobody's fault, so the next attempt follows at once.
		ep.breaker.aborted(r.probe)
		l.staleRetried = true
		ep.failed(l, &r, now)
		ep.settle(l, now)
	default:
		ep.refused(l, &r, now)
	}
}

// note keeps the attempt.
func (ep *endpoint) note(r *result) {
	ep.attempts.add(r.attempt())
	ep.touchSave(time.Now())
}

// accepted removes from its lane what the receiver took.
func (ep *endpoint) accepted(l *lane, r *result, now time.Time) {
	ep.tried++
	ep.successes++
	ep.totals.successes.Add(1)
	if since, failures, was := ep.health.success(); was {
		ep.logger.Info("webhooks: endpoint accepts events again",
			"failing_for", now.Sub(since).Round(time.Millisecond), "failures", failures)
	}
	if ep.breaker.success(now, r.probe) {
		ep.downs++
		ep.hurry()
	}
	ep.told(l.key, r.gap, now)
	if r.gone != (span{}) && r.gone == ep.gone {
		ep.gone = span{}
		ep.touchSelf(now)
	}
	for range max(r.count, 1) {
		ep.drop(l, now)
	}
	if l.size < ep.desc.Batch.Max {
		l.size = max(2*l.size, 1)
	}
	if l.size >= ep.desc.Batch.Max {
		l.size, l.searching = ep.desc.Batch.Max, false
	}
	ep.settle(l, now)
}

// lost drops the i-th record of a lane, which the log no longer holds; it stays
// among the dead letters, so that nobody has to guess.
func (ep *endpoint) lost(l *lane, i int, now time.Time) {
	it := l.items[i]
	ep.missing++
	ep.logger.Error("webhooks: an event left the log before it was delivered", "seq", it.seq, "room", l.key.name)
	d := &deadLetter{timer: -1, DeadLetter: DeadLetter{
		Endpoint: ep.id, Seq: it.seq, Room: l.key.name, Time: time.UnixMicro(it.time).UTC(),
		AbandonedAt: now.UTC(), Attempts: it.tries, Reason: errMissing.Error(),
	}}
	if i == 0 {
		d.Since, d.Attempts = l.firstFailure.UTC(), l.attempts
	}
	ep.keepDead(d, now)
	ep.owe(l.key, it.seq, now)
	if i == 0 {
		ep.drop(l, now)
	} else {
		if it.rec != nil {
			ep.retained -= weight(it.rec)
		}
		l.items = slices.Delete(l.items, i, i+1)
	}
}

// forgo notes that events left the log before the endpoint had read them. Which
// rooms they were of nobody knows any more, so no lane knows what came before its
// next event, and the next delivery tells of all of them.
func (ep *endpoint) forgo(s span, now time.Time) {
	ep.missing += s.To - s.From + 1
	if from, to := max(s.From, ep.gone.From), min(s.To, ep.gone.To); from <= to {
		ep.missing -= to - from + 1 // is counted already
	}
	ep.logger.Error("webhooks: events left the log before they were delivered", "from", s.From, "to", s.To)
	if ep.gone.From > 0 {
		s = span{min(s.From, ep.gone.From), max(s.To, ep.gone.To)}
	}
	ep.gone, ep.prev = s, newPrevious(ep.opts.MaxLanes)
	ep.touchSelf(now)
}

// drop removes the head, which needs no more attempts.
func (ep *endpoint) drop(l *lane, now time.Time) {
	if rec := l.head().rec; rec != nil {
		ep.retained -= weight(rec)
	}
	l.pop()
	ep.touch(l.key, now)
}

// count counts an attempt that was not accepted.
func (ep *endpoint) count(l *lane, r *result, now time.Time) {
	ep.tried++
	ep.failures++
	ep.totals.failures.Add(1)
	ep.lastError, ep.lastErrorAt = r.reason(), now
	ep.touch(l.key, now)
	ep.logger.Debug("webhooks: attempt failed",
		"seq", r.seq, "room", l.key.name, "attempt", r.details.attempt, "reason", ep.lastError)
}

// failed counts an attempt at the head that was not accepted.
func (ep *endpoint) failed(l *lane, r *result, now time.Time) {
	if l.firstFailure.IsZero() {
		l.firstFailure = now
	}
	ep.count(l, r, now)
	l.reason = ep.lastError
}

// refused puts the head back until its next attempt is due.
func (ep *endpoint) refused(l *lane, r *result, now time.Time) {
	ep.failed(l, r, now)
	ep.countRefusal(l, r, now)
	l.failures++
	l.step++
	if l.failures > 1 && ep.successes > l.lastSuccess {
		l.refusedAlone++
	}
	l.lastSuccess = ep.successes
	ep.blame(l, r, now)
	ep.complain(l, now)

	p := &ep.opts.Retry
	due := now.Add(p.gap(l.step, ep.opts.Random()))
	if sure := l.refusedSince.Add(p.Persistence); l.refusals >= p.Attempts && now.Before(sure) && sure.Before(due) {
		due = sure // jitter made it a little early for a suspect
	}
	due = ep.due(l, r, due)
	alone := l.refusedAlone >= witnessLimit && ep.suspect(l, now)
	switch {
	case alone && ep.layout == byEvent:
		ep.bury(l, l.attempts, l.firstFailure, now)
		ep.settle(l, now)
	case alone && p.judge(l.firstFailure, now) == overdue:
		// Nothing follows it in its lane, or it would have been tried.
		ep.owe(l.key, l.head().seq, now)
		ep.bury(l, l.attempts, l.firstFailure, now)
		ep.settle(l, now)
	case l.unsifted:
		ep.siftLane(l, now)
	case r.count > 1 && r.retryAfter <= 0 && (l.searching && !unreachable(r.err) || ep.mayTry(l, r, now)):
		l.searching, l.size = true, r.count/2
		ep.retry.push(l)
	case ep.mayTry(l, r, now):
		// At once, or the receiver may have come back meanwhile.
		l.trial, l.due = true, due
		ep.trials = append(ep.trials, l)
	default:
		ep.wait(l, due, now)
	}
}

// countRefusal counts an answer of a receiver that is up, as far as anybody knows.
func (ep *endpoint) countRefusal(l *lane, r *result, now time.Time) {
	if l.downs != ep.downs {
		l.downs, l.step, l.refusals, l.disproved = ep.downs, 0, 0, 0
	}
	switch {
	case unreachable(r.err):
		l.refusals = 0
	case l.refusals == 0:
		l.refusals, l.refusedSince = 1, now
	default:
		l.refusals++
	}
}

// blame tells the breaker, unless the event is known to be refused alone.
func (ep *endpoint) blame(l *lane, r *result, now time.Time) {
	if l.refusedAlone >= witnessLimit && !r.probe {
		return
	}
	opened := ep.breaker.failure(now, l.key, r.probe, ep.opts.Random())
	if ep.health.failure(now) {
		ep.logger.Warn("webhooks: endpoint does not accept events",
			"reason", ep.lastError, "room", l.key.name, "seq", r.seq)
	}
	if opened {
		ep.downs++
		ep.logger.Warn("webhooks: endpoint counts as down, it is probed from now on",
			"reason", ep.lastError, "failures", ep.breaker.run)
	}
}

// due is when a lane goes on after a failure, or later if the receiver asks.
func (ep *endpoint) due(l *lane, r *result, due time.Time) time.Time {
	if r.retryAfter <= 0 {
		return due
	}
	asked := r.began.Add(r.latency + r.retryAfter)
	l.held = true
	if r.status == http.StatusTooManyRequests {
		ep.breaker.pause(asked)
	}
	return maxTime(due, asked)
}

// complain writes once about a head that is refused alone, and once about one
// that is overdue.
func (ep *endpoint) complain(l *lane, now time.Time) {
	late := ep.opts.Retry.judge(l.firstFailure, now) == overdue
	level := slog.LevelWarn
	switch {
	case late && l.complained < overdueComplaint:
		l.complained, level = overdueComplaint, slog.LevelError
	case l.refusedAlone >= witnessLimit && l.complained < aloneComplaint:
		l.complained = aloneComplaint
	default:
		return
	}
	ep.logger.Log(context.Background(), level, "webhooks: an event is refused and holds up its room",
		"seq", l.head().seq, "room", l.key.name, "attempts", l.attempts,
		"failing_for", now.Sub(l.firstFailure).Round(time.Second), "reason", ep.lastError)
}

// wait puts a lane off until due.
func (ep *endpoint) wait(l *lane, due, now time.Time) {
	if l.unsifted {
		ep.siftLane(l, now)
		return
	}
	l.due = due
	ep.timers.wait(l)
}

// hurry makes the waiting lanes ready: the endpoint is back, and their gaps
// were its fault. Lanes that are refused while it is up keep their gaps.
func (ep *endpoint) hurry() {
	waiting := ep.timers
	ep.timers = nil
	for _, l := range waiting {
		l.timer = -1
		if l.held || l.refusedAlone >= witnessLimit {
			ep.timers.wait(l)
		} else {
			ep.retry.push(l)
		}
	}
}

func (ep *endpoint) disable(now time.Time) {
	if ep.disabled != nil {
		return
	}
	at := now.UTC()
	ep.disabled = &at
	ep.touchSelf(now)
	ep.logger.Error("webhooks: endpoint answered 410 Gone and is disabled; its events stay in the log")
}

// resume ends a pause and what a 410 did.
func (ep *endpoint) resume() {
	ep.enable()
	ep.unpause()
}

// enable ends what a 410 did.
func (ep *endpoint) enable() {
	if ep.disabled != nil {
		ep.disabled = nil
		ep.goOn()
	}
}

// unpause ends a pause.
func (ep *endpoint) unpause() {
	if ep.paused {
		ep.paused = false
		ep.goOn()
	}
}

func (ep *endpoint) goOn() {
	ep.more = true
	ep.breaker = newBreaker(ep.opts.Breaker, ep.opts.Concurrency)
	ep.touchSelf(time.Now())
	if !ep.held() {
		ep.logger.Info("webhooks: endpoint goes on")
	}
}

func (ep *endpoint) pause() {
	if ep.paused {
		return
	}
	ep.paused = true
	ep.touchSelf(time.Now())
	ep.logger.Info("webhooks: endpoint is paused")
}

// settle puts a lane where it belongs after an attempt or a refill.
func (ep *endpoint) settle(l *lane, now time.Time) {
	if l.unsifted {
		ep.siftLane(l, now)
		return
	}
	if l.overflow && !l.hungry && len(l.items) <= ep.window()/2 {
		l.hungry = true
		ep.hungry = append(ep.hungry, l)
	}
	l.ripe = time.Time{}
	switch {
	case len(l.items) > 0:
		ep.ready(l, now)
	case !l.overflow:
		ep.prev.set(l.key, l.tail)
		delete(ep.lanes, l.key)
	}
}

// health decides which failures are worth a log line: the first one after a
// success, at most one a minute.
type health struct {
	since    time.Time // first failure since the last success
	failures int
	spoken   bool // this spell was logged
	spokenAt time.Time
}

const healthQuiet = time.Minute

// failure says whether this failure is to be logged.
func (h *health) failure(now time.Time) bool {
	if h.failures++; h.failures == 1 {
		h.since = now
	}
	if h.spoken || !h.spokenAt.IsZero() && now.Sub(h.spokenAt) < healthQuiet {
		return false
	}
	h.spoken, h.spokenAt = true, now
	return true
}

// success ends the spell and says whether one was logged.
func (h *health) success() (since time.Time, failures int, spoken bool) {
	since, failures, spoken = h.since, h.failures, h.spoken
	h.failures, h.spoken = 0, false
	return since, failures, spoken
}
