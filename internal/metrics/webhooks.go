package metrics

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// maxEndpoints is how many endpoints have series of their own.
const maxEndpoints = 100

// others is what stands for all the other endpoints: those of rooms and
// egresses, which come and go, and those beyond the first hundred. It is no
// endpoint's id, for those have no parentheses.
const others = "(others)"

// tally is what is told of one endpoint, or of all others.
type tally struct {
	lag, dead int
	oldest    time.Duration
	missing   uint64
	states    map[delivery.State]int
	delivery.Totals
}

func (t *tally) add(s delivery.EndpointStats) {
	t.lag += int(s.Lag)
	t.dead += s.DeadLetters
	t.oldest = max(t.oldest, s.OldestPending)
	t.missing += s.Missing
	t.Successes += s.Successes
	t.Failures += s.Failures
	t.Abandoned += s.Abandoned
	t.Dropped += s.Dropped
	if t.states == nil {
		t.states = make(map[delivery.State]int)
	}
	t.states[s.State]++
}

var states = []delivery.State{delivery.Closed, delivery.Open, delivery.Recovering, delivery.Disabled, delivery.Paused, delivery.Unusable}

func (c collector) webhooks(e emitter) {
	rest := tally{Totals: c.s.Delivery.ScopedTotals()}
	named := 0
	for _, s := range c.s.Delivery.Stats() {
		switch own := s.Source == delivery.SourceConfig || s.Source == delivery.SourceAPI; {
		case own && named < maxEndpoints:
			named++
			var t tally
			t.add(s)
			endpoint(e, s.ID, t)
		case own:
			rest.add(s)
		default:
			s.Successes, s.Failures, s.Abandoned, s.Dropped = 0, 0, 0, 0 // are in the totals
			rest.add(s)
		}
	}
	endpoint(e, others, rest)
	e.histogram("webhook_attempt_duration_seconds", "How long attempts took, accepted or not.", c.s.Delivery.AttemptTimes())
}

func endpoint(e emitter, id string, t tally) {
	who := label{"endpoint", id}
	e.counter("webhook_attempts_total", "Requests to the endpoint, by what became of them.", t.Successes, who, label{"outcome", "accepted"})
	e.counter("webhook_attempts_total", "Requests to the endpoint, by what became of them.", t.Failures, who, label{"outcome", "failed"})
	e.gauge("webhook_pending_events", "Events that the endpoint has not accepted.", float64(t.lag), who)
	e.gauge("webhook_oldest_pending_seconds", "How long ago the oldest of them happened.", t.oldest.Seconds(), who)
	e.gauge("webhook_dead_letters", "Events that the endpoint refused alone and that are kept.", float64(t.dead), who)
	e.counter("webhook_abandoned_events_total", "Events that were given up as heads of their lanes.", t.Abandoned, who)
	e.counter("webhook_dead_letters_dropped_total", "Dead letters that were too many, or whose events had left the log.", t.Dropped, who)
	e.gauge("webhook_missing_events", "Events that left the log before they were delivered.", float64(t.missing), who)
	for _, s := range states {
		e.gauge("webhook_endpoint_state", "1 for the state that the endpoint is in; of several endpoints, how many are.", float64(t.states[s]), who, label{"state", s.String()})
	}
}
