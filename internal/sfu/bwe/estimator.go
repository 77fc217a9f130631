package bwe

import "time"

// Unlimited is the capacity of a connection that has shown no limit.
const Unlimited = uint64(1) << 40

const (
	// Floor is the least capacity, in bits per second.
	Floor = 30_000

	// backoff is how much of what arrived while there was congestion is the
	// new estimate. The rest lets the queue drain.
	backoff = 0.85
	// probed is how much is used of the limit that a probe found.
	probed = 0.95

	// settle is how long, beyond a round trip, the effect of a decrease is
	// waited for.
	settle = 300 * time.Millisecond
	// notOurs is how long a delay may stay although much less is sent: then it
	// is not of our making.
	notOurs = 3 * time.Second
	// silence is how long feedback may be missing for packets that were sent.
	silence = 1500 * time.Millisecond
	// doubtful is how long packets go on without feedback before it counts.
	doubtful = 200 * time.Millisecond
	// drained is how long after the last packet a queue is taken for empty.
	drained = time.Second

	measure      = 500 * time.Millisecond
	measureShort = 250 * time.Millisecond
)

// Estimator says how much a connection carries. It is in one of three states:
//
//	unlimited   nothing has shown a limit; capacity is Unlimited
//	congested   a sign of congestion is not older than its effect
//	limited     capacity holds, and rises by probes and by what passes anyway
type Estimator struct {
	history *History // immutable

	capacity uint64
	heard    bool // feedback ever came
	list     []Arrival
	queue    queue
	arrived  rate
	loss     loss
	probe    prober

	reported uint64 // packets that arrived
	newest   uint16 // of them, by the last report

	sign      time.Time // last sign of congestion, zero if never
	onset     time.Time // the first one of this congestion
	onsetRate uint64    // what arrived then
	bounded   time.Time // last sign of the limit, of congestion or not
	roundTrip time.Duration

	fresh      time.Time // last report of an arrival
	fed        time.Time // last feedback, or last time that silence counted
	fedBytes   uint64    // sent until then
	doubt      time.Time // when silence was noticed, zero if it was not
	doubtBytes uint64    // sent until then
}

// New returns an Estimator for the packets in history.
func New(history *History, now time.Time) *Estimator {
	return &Estimator{history: history, capacity: Unlimited, fed: now}
}

// Capacity returns the estimate in bits per second, RTP headers included and
// what is below them not; Unlimited if no limit is known.
func (e *Estimator) Capacity() uint64 { return e.capacity }

// Congested reports whether there was a sign of congestion lately.
func (e *Estimator) Congested(now time.Time) bool {
	return !e.sign.IsZero() && now.Sub(e.sign) < settle+min(e.roundTrip, time.Second)
}

// QueueDelay returns how much longer the latest packets took than the fastest.
func (e *Estimator) QueueDelay() time.Duration { return max(e.queue.delay, 0) }

// RoundTrip returns the time from sending the latest packet to hearing of it.
func (e *Estimator) RoundTrip() time.Duration { return e.roundTrip }

// Reported returns how many packets the client said have arrived.
func (e *Estimator) Reported() uint64 { return e.reported }

// Arriving returns what arrives, in bits per second.
func (e *Estimator) Arriving() uint64 { return e.arrived.over(measure) }

// Feedback takes an RTCP packet of transport-wide feedback. The same one may
// come twice.
func (e *Estimator) Feedback(b []byte, now time.Time) error {
	var err error
	e.list, err = ParseFeedback(b, e.list[:0])
	if err != nil {
		return err
	}
	e.heard = true
	e.fed, e.doubt = now, time.Time{}
	_, e.fedBytes = e.history.Next()
	fresh := false
	var latest time.Duration
	for i := range e.list {
		a := &e.list[i]
		if !a.Received {
			if e.history.miss(a.Seq) {
				e.loss.lost++
				e.probe.miss(a.Seq)
			}
			continue
		}
		size, ticks, late, ok := e.history.take(a.Seq)
		if !ok {
			continue
		}
		e.loss.arrived(late)
		sent := e.history.when(ticks, now)
		e.newest = a.Seq
		e.probe.add(a, size, sent, late)
		fresh, latest = true, sent
		e.reported++
		e.queue.add(sent, a.At, now)
		e.arrived.add(a.At, size)
	}
	if fresh {
		e.fresh = now
		e.roundTrip = max(now.Sub(e.history.epoch)-latest, 0)
		if e.queue.found() {
			e.bounded = now
		}
		e.judge(now)
	}
	return nil
}

// judge lowers the estimate if there is reason to, and raises it to what is
// known to pass.
func (e *Estimator) judge(now time.Time) {
	excess := e.loss.excessive(now)
	switch {
	case e.queue.stands():
		if e.inVain(now) {
			e.queue.accept(now)
			e.sign, e.onset = time.Time{}, time.Time{}
			return
		}
		e.decrease(e.arrived.over(max(e.queue.lasted(), measureShort)), now)
	case excess:
		if !e.Congested(now) {
			e.decrease(e.arrived.over(measure), now)
		}
	default:
		e.concludeProbe(now)
		if !e.Congested(now) && !e.queue.found() {
			e.capacity = max(e.capacity, e.arrived.over(measure))
		}
		if !e.onset.IsZero() && now.Sub(e.sign) > notOurs {
			e.onset = time.Time{}
		}
	}
}

// decrease sets the estimate by what arrived.
func (e *Estimator) decrease(arriving uint64, now time.Time) {
	if e.onset.IsZero() {
		e.onset, e.onsetRate = now, arriving
	}
	e.sign, e.bounded = now, now
	e.capacity = max(min(e.capacity, uint64(backoff*float64(arriving))), Floor)
	e.queue.reset()
	e.loss.restart(now)
	e.probe.rest(now)
}

// inVain reports whether a delay stays although we gave way.
func (e *Estimator) inVain(now time.Time) bool {
	return !e.onset.IsZero() && now.Sub(e.onset) > notOurs && e.arrived.over(measure) < e.onsetRate/2
}

func (e *Estimator) concludeProbe(now time.Time) {
	rate, passed, ok := e.probe.result(e.newest, restless*e.queue.unrest, now)
	if !ok {
		return
	}
	if !passed {
		e.bounded = now
		rate = uint64(probed * float64(rate)) // it is the link's, not ours
	}
	if rate > e.capacity {
		e.capacity = rate
		e.loss.restart(now)
	}
	if passed {
		e.probe.pause, e.probe.next = 0, now
	} else {
		e.probe.rest(now)
	}
}

// Probe begins a probe if need, in bits per second, is more than the estimate
// and it is time for one. Padding then says what to send.
func (e *Estimator) Probe(need uint64, now time.Time) bool {
	p := &e.probe
	if e.capacity == Unlimited || need <= e.capacity || p.sending || now.Before(e.NextProbe()) {
		return false
	}
	if !e.heard {
		e.Assume(need, now) // nobody reports on probes
		return false
	}
	if e.Congested(now) || e.queue.found() && now.Sub(e.fresh) < drained {
		return false
	}
	if p.waiting {
		if now.Sub(p.ended) < probePatience {
			return false
		}
		p.rest(now) // nothing was heard of it
		return false
	}
	rate := min(uint64(probeAhead*float64(need)), max(probeGrowth*e.capacity, probeLeast))
	p.begin(e.history, max(rate, probeFewest), now)
	return true
}

// Assume takes the capacity for enough where no padding can be sent to find
// out: if it is not, there will be a sign.
func (e *Estimator) Assume(capacity uint64, now time.Time) {
	e.capacity = max(e.capacity, capacity)
	e.probe.rest(now)
}

// NextProbe returns the earliest time for a probe.
func (e *Estimator) NextProbe() time.Time { return e.probe.next }

// Padding returns how many bytes of padding a probe is short of, and whether
// it goes on.
func (e *Estimator) Padding(now time.Time) (bytes int, more bool) {
	return e.probe.due(e.history, now)
}

// REMB takes a receiver's own estimate (draft-alvestrand-rmcat-remb). It
// counts only if the receiver gives no transport-wide feedback.
func (e *Estimator) REMB(bitsPerSecond, sending uint64, now time.Time) {
	switch {
	case e.heard:
	case bitsPerSecond < sending:
		e.capacity = max(bitsPerSecond, Floor)
		e.sign, e.bounded = now, now
	case e.capacity != Unlimited:
		e.capacity = max(bitsPerSecond, Floor)
	}
}

// Poll notes that time has passed. While no feedback comes for packets that
// were sent the estimate is halved, again and again.
func (e *Estimator) Poll(now time.Time) {
	if e.probe.waiting && !e.queue.stands() {
		e.concludeProbe(now) // if nothing else is sent, no report comes after its own
	}
	if !e.heard || now.Sub(e.fed) < silence+min(e.roundTrip, time.Second) {
		return
	}
	_, sent := e.history.Next()
	if sent != e.fedBytes && e.doubt.IsZero() {
		// Nothing is heard of the last packets of a track that has ended, so see
		// whether there are more.
		e.doubt, e.doubtBytes = now, sent
		return
	}
	if !e.doubt.IsZero() && now.Sub(e.doubt) < doubtful {
		return
	}
	silent := !e.doubt.IsZero() && sent != e.doubtBytes
	e.fed, e.fedBytes, e.doubt = now, sent, time.Time{}
	if !silent {
		return // nothing was sent to hear of
	}
	e.sign, e.bounded = now, now
	e.capacity = max(min(e.capacity, e.arrived.over(measure))/2, Floor)
	e.probe.rest(now)
}
