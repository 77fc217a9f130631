package delivery

import (
	"errors"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Place is a place in the log that somebody goes on from.
type Place struct {
	// Kind is endpoint, recovery or, elsewhere, consumer; Name is its ID.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Seq is the lowest that is still needed, which may not be in the log yet.
	Seq uint64 `json:"seq"`
}

// Needs returns from where on each endpoint and each recovery under way needs
// the log: what is not acknowledged, what is abandoned and tried again, what is
// held back by a pause or a 410. Retention keeps that for a while.
func (e *Engine) Needs() []Place {
	all := e.all()
	places := make([]Place, 0, len(all))
	for _, ep := range all {
		p := Place{Kind: "endpoint", Name: ep.id}
		ep.see(func() { p.Seq = ep.needs() })
		places = append(places, p)
	}
	for _, r := range e.Recoveries() {
		if r.State == RecoveryRunning {
			places = append(places, Place{Kind: "recovery", Name: r.ID, Seq: r.Position + 1})
		}
	}
	return places
}

// needs runs on the loop.
func (ep *endpoint) needs() uint64 {
	low := ep.scan + 1
	for _, l := range ep.lanes {
		if len(l.items) > 0 {
			low = min(low, l.head().seq)
		} else {
			low = min(low, l.scanned+1)
		}
	}
	for _, d := range ep.deadTimers {
		low = min(low, d.Seq)
	}
	if ep.deadFlying > 0 {
		for seq, d := range ep.dead {
			if d.flying {
				low = min(low, seq)
			}
		}
	}
	return low
}

// span is a range of sequence numbers, both ends included.
type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// left returns the span after the given place that has left the log, if that is
// what err says.
func left(after uint64, err error) (span, bool) {
	truncated, ok := errors.AsType[*eventlog.TruncatedError](err)
	if !ok || truncated.First <= after+1 {
		return span{}, false
	}
	return span{after + 1, truncated.First - 1}, true
}
