package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// witnessLimit is how often a head may be refused while the endpoint accepts
// other lanes' events before its failures say nothing of the endpoint.
const witnessLimit = 3

// finish draws the conclusions of one attempt.
func (ep *endpoint) finish(r result, now time.Time) {
	l := r.lane
	l.flying = false
	ep.inFlight--
	switch {
	case r.delivered():
		ep.accepted(l, r.probe, now)
	case errors.Is(r.err, errMissing):
		ep.breaker.aborted(r.probe)
		ep.lost(l, now)
	case r.cancelled:
		ep.breaker.aborted(r.probe)
		l.attempts--
		ep.settle(l)
	case errors.Is(r.err, errRead):
		ep.breaker.aborted(r.probe)
		l.attempts--
		ep.logger.Error("webhooks: reading the event log", "err", r.err)
		ep.timers.wait(l, now.Add(readPause))
	case r.status == http.StatusGone:
		ep.breaker.aborted(r.probe)
		ep.failed(l, &r, now)
		ep.disable(now)
		ep.settle(l)
	case r.stale && !l.staleRetried:
		// The receiver may close an idle connection just when it is used
		// again: nobody's fault, so the next attempt follows at once.
		ep.breaker.aborted(r.probe)
		l.staleRetried = true
		ep.failed(l, &r, now)
		ep.settle(l)
	default:
		ep.refused(l, &r, now)
	}
}

func (ep *endpoint) accepted(l *lane, probe bool, now time.Time) {
	ep.attempts++
	ep.successes++
	if since, failures, was := ep.health.success(); was {
		ep.logger.Info("webhooks: endpoint accepts events again",
			"failing_for", now.Sub(since).Round(time.Millisecond), "failures", failures)
	}
	if ep.breaker.success(now, probe) {
		ep.hurry()
	}
	ep.done(l, now)
}

// lost drops a head that the log no longer holds.
func (ep *endpoint) lost(l *lane, now time.Time) {
	ep.missing++
	ep.logger.Error("webhooks: an event left the log before it was delivered",
		"seq", l.head().seq, "room", l.key.name)
	ep.done(l, now)
}

// done removes the head, which needs no more attempts.
func (ep *endpoint) done(l *lane, now time.Time) {
	if rec := l.head().rec; rec != nil {
		ep.retained -= len(rec.Body)
	}
	l.pop()
	ep.touch(l.key, now)
	ep.settle(l)
}

// failed counts an attempt that was not accepted.
func (ep *endpoint) failed(l *lane, r *result, now time.Time) {
	ep.attempts++
	ep.failures++
	ep.lastError, ep.lastErrorAt = r.reason(), now
	if l.firstFailure.IsZero() {
		l.firstFailure = now
	}
	ep.touch(l.key, now)
	h := l.head()
	ep.logger.Debug("webhooks: attempt failed",
		"seq", h.seq, "room", l.key.name, "attempt", l.attempts, "reason", ep.lastError)
}

// refused puts the head back until its next attempt is due.
func (ep *endpoint) refused(l *lane, r *result, now time.Time) {
	ep.failed(l, r, now)
	l.failures++
	if l.failures > 1 && ep.successes > l.lastSuccess {
		l.refusedAlone++
	}
	l.lastSuccess = ep.successes
	if l.refusedAlone < witnessLimit || r.probe {
		opened := ep.breaker.failure(now, l.key, r.probe, ep.opts.Random())
		if ep.health.failure(now) {
			ep.logger.Warn("webhooks: endpoint does not accept events",
				"reason", ep.lastError, "room", l.key.name, "seq", l.head().seq)
		}
		if opened {
			ep.logger.Warn("webhooks: endpoint counts as down, it is probed from now on",
				"reason", ep.lastError, "failures", ep.breaker.run)
		}
	}
	ep.complain(l, now)

	due := now.Add(ep.opts.Retry.gap(l.failures, ep.opts.Random()))
	if r.retryAfter > 0 {
		if asked := now.Add(r.retryAfter); asked.After(due) {
			due = asked
		}
		l.held = true
		if r.status == http.StatusTooManyRequests {
			ep.breaker.pause(now.Add(r.retryAfter))
		}
	}
	ep.timers.wait(l, due)
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

// hurry makes the waiting lanes ready: the endpoint is back, and their gaps
// were its fault. Lanes that are refused while it is up keep their gaps.
func (ep *endpoint) hurry() {
	waiting := ep.timers
	ep.timers = nil
	for _, l := range waiting {
		l.timer = -1
		if l.held || l.refusedAlone >= witnessLimit {
			ep.timers.wait(l, l.due)
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

func (ep *endpoint) enable() {
	if ep.disabled == nil {
		return
	}
	ep.disabled = nil
	ep.more = true
	ep.breaker = newBreaker(ep.opts.Breaker, ep.opts.Concurrency)
	ep.touchSelf(time.Now())
	ep.logger.Info("webhooks: endpoint is enabled again")
}

// settle puts a lane where it belongs after an attempt or a refill.
func (ep *endpoint) settle(l *lane) {
	if l.overflow && !l.hungry && len(l.items) <= ep.opts.Window/2 {
		l.hungry = true
		ep.hungry = append(ep.hungry, l)
	}
	switch {
	case len(l.items) > 0 && l.attempts == 0:
		ep.fresh.push(l)
	case len(l.items) > 0:
		ep.retry.push(l)
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
