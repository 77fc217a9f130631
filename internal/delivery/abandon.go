package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A head that was refused often enough is suspected to be refused for itself,
// and the event behind it is tried, which says in its headers what it leaves
// behind. If it is accepted, the receiver is up and the head alone is refused:
// it becomes a dead letter, which is retried in the background, marked late. If
// it is refused too, the receiver is down: the head stays the head.

const (
	// deadLanes is how many dead letters of an endpoint are in flight at most.
	deadLanes = 2
	// maxDisproved bounds how often the refusals that make a suspect double.
	maxDisproved = 3
	// deadPrefix is where dead letters are stored: prefix, endpoint, /, seq.
	deadPrefix = "delivery-dead/"
	// owedPrefix is where gaps are stored that a lane's next delivery tells of:
	// prefix, endpoint, /, kind and name of the lane.
	owedPrefix = "delivery-gap/"
)

// deadLetter is a DeadLetter in the loop's hands.
type deadLetter struct {
	DeadLetter
	// RetryUntil is when it is no longer tried by itself.
	RetryUntil time.Time `json:"retryUntil"`

	flying bool
	asked  bool // somebody redrives it: whatever the state of the endpoint
	timer  int  // index in the heap, -1 outside
}

func deadKey(id string, seq uint64) string { return fmt.Sprintf("%s%s/%020d", deadPrefix, id, seq) }

func (k laneKey) owedKey(id string) string {
	return owedPrefix + id + "/" + string(rune(k.kind)) + k.name
}

// suspect says whether the head may be refused for itself: if others were accepted
// between its failures, or if it failed often enough since the receiver was last seen
// down or coming back. What was refused while it was down says nothing of the head:
// one answer of a receiver that is not well yet would make a dead letter of it. So each
// time that the suspicion proves wrong it takes twice as many refusals.
func (ep *endpoint) suspect(l *lane, now time.Time) bool {
	p := &ep.opts.Retry
	since := func(first time.Time) bool { return !first.IsZero() && now.Sub(first) >= p.Persistence }
	switch {
	case ep.desc.Block:
		return false
	case l.refusedAlone >= witnessLimit:
		return l.attempts >= p.Attempts && since(l.firstFailure)
	default:
		return l.refusals >= p.Attempts<<l.disproved && since(l.refusedSince)
	}
}

// mayTry says whether the event behind the head is to be tried after this failure.
func (ep *endpoint) mayTry(l *lane, r *result, now time.Time) bool {
	if ep.desc.Block || len(l.items) < 2 || r.retryAfter > 0 || unreachable(r.err) {
		return false
	}
	return r.status == http.StatusRequestEntityTooLarge || ep.suspect(l, now)
}

// unreachable says that no connection came about: what was to be sent on it had
// no part in that.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.Is(err, ErrBlockedAddress) || errors.As(err, &op) && op.Op == "dial"
}

// tried draws the conclusions of an attempt at the event behind the head.
func (ep *endpoint) triedNext(l *lane, r *result, now time.Time) {
	l.trial = false
	switch {
	case r.delivered():
		l.trial = false
		ep.owed[l.key] = append(ep.owed[l.key], l.head().seq) // which this delivery told of
		ep.bury(l, l.attempts, l.firstFailure, now)
		ep.accepted(l, r, now)
	case errors.Is(r.err, errMissing):
		ep.breaker.aborted(r.probe)
		ep.lost(l, 1, now)
		ep.wait(l, maxTime(l.due, now), now)
	case r.cancelled:
		ep.breaker.aborted(r.probe)
		l.items[1].tries--
		ep.settle(l, now)
	case errors.Is(r.err, errRead):
		ep.breaker.aborted(r.probe)
		l.items[1].tries--
		ep.wait(l, now.Add(readPause), now)
	default:
		l.outrun = l.outrun || r.status == 0
		l.refusals, l.disproved = 0, min(l.disproved+1, maxDisproved) // the receiver is down
		ep.count(l, r, now)
		ep.blame(l, r, now)
		ep.wait(l, ep.due(l, r, maxTime(l.due, now)), now)
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// bury makes a dead letter of the head.
func (ep *endpoint) bury(l *lane, attempts int, since time.Time, now time.Time) {
	h := l.head()
	p := &ep.opts.Retry
	d := &deadLetter{timer: -1, DeadLetter: DeadLetter{
		Endpoint: ep.id, Seq: h.seq, Room: l.key.name, Time: time.UnixMicro(h.time).UTC(),
		Since: since.UTC(), AbandonedAt: now.UTC(), Attempts: attempts, Reason: l.reason,
	}}
	rec := h.rec
	if rec == nil {
		var err error
		if rec, err = ep.feed.record(context.Background(), h.seq); err != nil {
			ep.logger.Error("webhooks: reading the event log", "seq", h.seq, "err", err)
		}
	}
	if rec != nil {
		d.EventID, d.Name, d.Room = rec.ID, rec.Name, rec.Room
	}
	if d.RetryUntil = since.Add(p.MaxAge).UTC(); now.Before(d.RetryUntil) {
		d.Next = now.Add(jitter(p.Late[0], p.Jitter, ep.opts.Random())).UTC()
	}
	ep.keepDead(d, now)
	ep.abandoned++
	ep.totals.abandoned.Add(1)
	ep.logger.Error("webhooks: an event is refused while others are accepted, it is a dead letter now",
		"seq", d.Seq, "event", d.Name, "room", d.Room, "attempts", attempts, "reason", d.Reason)
	ep.drop(l, now)
}

// owe notes that the lane's next delivery has to tell of a gap.
func (ep *endpoint) owe(key laneKey, seq uint64, now time.Time) {
	if ep.layout == byEvent {
		return // nobody expects an order
	}
	ep.owed[key] = append(ep.owed[key], seq)
	ep.touchOwed(key, now)
}

// told notes that a delivery that told of gap was accepted.
func (ep *endpoint) told(key laneKey, gap []uint64, now time.Time) {
	if len(gap) == 0 {
		return
	}
	if left := ep.owed[key]; len(left) > len(gap) {
		ep.owed[key] = left[len(gap):]
	} else {
		delete(ep.owed, key)
	}
	ep.touchOwed(key, now)
}

func (ep *endpoint) touchDead(seq uint64, now time.Time) {
	ep.dirtyDead[seq] = struct{}{}
	ep.touchSave(now)
}

func (ep *endpoint) touchOwed(key laneKey, now time.Time) {
	ep.dirtyOwed[key] = struct{}{}
	ep.touchSave(now)
}

// mayRetryDead says whether the receiver is well enough for what it refused.
func (ep *endpoint) mayRetryDead(now time.Time) bool {
	return !now.Before(ep.breaker.pausedUntil) && ep.deadFlying < deadLanes && !ep.held() && !ep.closing && ep.breaker.state == Closed
}

// pendingDead counts the dead letters that are still tried.
func (ep *endpoint) pendingDead() int { return len(ep.deadTimers) + ep.deadFlying }

// startDead tries the next dead letter that is due and says whether there was one.
func (ep *endpoint) startDead(sending context.Context, now time.Time) bool {
	if !ep.mayRetryDead(now) || len(ep.deadTimers) == 0 || ep.deadTimers[0].Next.After(now) {
		return false
	}
	d := ep.deadTimers[0]
	ep.deadTimers.remove(d)
	d.flying = true
	ep.deadFlying++
	d.Attempts++
	ep.fly(sending, job{dead: d, seq: d.Seq, details: details{attempt: d.Attempts, late: true}}, now)
	return true
}

// finishDead draws the conclusions of an attempt at a dead letter. They say
// nothing of the endpoint: it is known to refuse this one.
func (ep *endpoint) finishDead(r *result, now time.Time) {
	d := r.dead
	d.flying = false
	ep.deadFlying--
	if ep.dead[d.Seq] != d {
		return // delivered by other means, or dropped
	}
	p := &ep.opts.Retry
	switch {
	case r.cancelled || errors.Is(r.err, errRead) && !errors.Is(r.err, errMissing):
		d.Attempts--
		d.Next = now.Add(readPause)
		ep.deadTimers.wait(d)
		return
	case errors.Is(r.err, errMissing):
		d.Next, d.Reason = time.Time{}, errMissing.Error()
		ep.touchDead(d.Seq, now)
		return
	}
	ep.note(r)
	if r.delivered() {
		ep.tried++
		ep.successes++
		ep.totals.successes.Add(1)
		ep.exhume(d.Seq, now)
		ep.logger.Info("webhooks: a dead letter was accepted", "seq", d.Seq, "room", d.Room, "attempts", d.Attempts)
		return
	}
	ep.tried++
	ep.failures++
	ep.totals.failures.Add(1)
	d.Reason = r.reason()
	d.Next = time.Time{}
	if now.Before(d.RetryUntil) {
		gap := p.Late[min(max(d.Attempts-p.Attempts, 0), len(p.Late)-1)]
		d.Next = now.Add(max(jitter(gap, p.Jitter, ep.opts.Random()), r.retryAfter)).UTC()
	}
	ep.deadTimers.wait(d)
	ep.touchDead(d.Seq, now)
}

// exhume forgets a dead letter.
func (ep *endpoint) exhume(seq uint64, now time.Time) {
	d := ep.dead[seq]
	if d == nil {
		return
	}
	if d.timer >= 0 {
		ep.deadTimers.remove(d)
	}
	delete(ep.dead, seq)
	ep.touchDead(seq, now)
}

// saveDead adds what changed to a write.
func (ep *endpoint) saveDead(puts map[string][]byte, deletes []string) []string {
	for seq := range ep.dirtyDead {
		d := ep.dead[seq]
		if d == nil {
			deletes = append(deletes, deadKey(ep.id, seq))
			continue
		}
		puts[deadKey(ep.id, seq)] = mustJSON(d)
	}
	for key := range ep.dirtyOwed {
		if gaps := ep.owed[key]; len(gaps) > 0 {
			puts[key.owedKey(ep.id)] = mustJSON(gaps)
		} else {
			deletes = append(deletes, key.owedKey(ep.id))
		}
	}
	clear(ep.dirtyDead)
	clear(ep.dirtyOwed)
	return deletes
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: marshal what is stored: " + err.Error())
	}
	return b
}

// at is when the dead letter is tried again, zero for never.
func (d *deadLetter) at() time.Time { return d.Next }
func (d *deadLetter) place() *int   { return &d.timer }
