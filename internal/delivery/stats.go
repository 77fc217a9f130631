package delivery

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// EndpointStats is how one endpoint is doing.
type EndpointStats struct {
	ID string
	// Source is who asked for the endpoint.
	Source Source
	// URL is without user info and query.
	URL   string
	State State
	// Lag is how many events are not acknowledged. After a restart it does not
	// count those of a lane that have not been read again yet.
	Lag uint64
	// OldestPending is how long ago the oldest of them happened, 0 for none.
	OldestPending time.Duration
	// Lanes have work; InFlight of them are being sent.
	Lanes    int
	InFlight int
	// Attempts is Successes + Failures since the start.
	Attempts  uint64
	Successes uint64
	Failures  uint64
	// Abandoned events were given up as heads of their lanes since the start;
	// DeadLetters are there now.
	Abandoned   uint64
	DeadLetters int
	// Dropped dead letters were too many, or their events had left the log.
	Dropped uint64
	// Missing events left the log before they were delivered.
	Missing     uint64
	LastError   string
	LastErrorAt time.Time
}

// stats runs on the loop.
func (ep *endpoint) stats() EndpointStats {
	s := EndpointStats{
		ID: ep.id, Source: ep.desc.Source, URL: ep.label, State: ep.breaker.state,
		Lanes: len(ep.lanes), InFlight: ep.inFlight,
		Attempts: ep.tried, Successes: ep.successes, Failures: ep.failures,
		Abandoned: ep.abandoned, DeadLetters: len(ep.dead), Dropped: ep.dropped,
		Missing: ep.missing, LastError: ep.lastError, LastErrorAt: ep.lastErrorAt,
	}
	switch {
	case ep.unusable != "":
		s.State, s.LastError = Unusable, ep.unusable
	case ep.disabled != nil:
		s.State = Disabled
	case ep.paused:
		s.State = Paused
	}
	var oldest time.Time
	for _, l := range ep.lanes {
		s.Lag += uint64(len(l.items) + l.skipped)
		if len(l.items) > 0 {
			if at := time.UnixMicro(l.head().time); oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
		}
	}
	if last := ep.feed.last(); last > ep.scan {
		s.Lag += last - ep.scan
		if oldest.IsZero() {
			if entries, _, err := ep.feed.read(context.Background(), ep.scan, 1); err == nil && len(entries) > 0 {
				oldest = entries[0].rec.Time
			}
		}
	}
	if !oldest.IsZero() {
		s.OldestPending = max(time.Since(oldest), 0)
	}
	return s
}

// AttemptTimes are how long attempts took, delivered or not.
func (e *Engine) AttemptTimes() histogram.Snapshot { return e.opts.times.Snapshot() }

// Totals are counts since the start of the endpoints of rooms and egresses, with
// those that are gone.
type Totals struct {
	Successes, Failures uint64 // attempts
	Abandoned           uint64 // events
	Dropped             uint64 // dead letters
}

type totals struct{ successes, failures, abandoned, dropped atomic.Uint64 }

// ScopedTotals returns a snapshot.
func (e *Engine) ScopedTotals() Totals {
	t := e.opts.totals
	return Totals{Successes: t.successes.Load(), Failures: t.failures.Load(), Abandoned: t.abandoned.Load(), Dropped: t.dropped.Load()}
}
