package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Dead letters stay to be listed and tried again, but not for ever: somebody
// dismisses them; those whose event has left the log, which nobody can send, go
// some time after they were given up; and there are no more than a number.

const (
	// deadKept is how long after it was given up a dead letter stays that can
	// never be sent: long enough to be seen.
	deadKept = 7 * 24 * time.Hour
	// sweepEvery is how often such dead letters are looked for.
	sweepEvery = time.Hour
)

// Dismiss forgets dead letters; without seqs all of the endpoint's. It returns
// how many. Their events stay in the log.
func (e *Engine) Dismiss(ctx context.Context, endpoint string, seqs ...uint64) (int, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return 0, fmt.Errorf("dismiss: %w", err)
	}
	n := 0
	err = ep.ask(func() {
		now := time.Now()
		if len(seqs) == 0 {
			seqs = slices.Collect(maps.Keys(ep.dead))
		}
		for _, seq := range seqs {
			if ep.dead[seq] != nil {
				ep.exhume(seq, now)
				n++
			}
		}
		if n > 0 {
			ep.logger.Info("webhooks: dead letters were dismissed", "dead_letters", n)
		}
		ep.save()
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("dismiss at %s: %w", endpoint, err)
	case n == 0 && len(seqs) > 0:
		return 0, fmt.Errorf("dismiss at %s: %w", endpoint, ErrUnknownDeadLetter)
	}
	return n, e.flush(ctx)
}

// sweep drops the dead letters that can never be sent, when their time is over.
func (ep *endpoint) sweep(now time.Time) {
	if len(ep.dead) == 0 || now.Before(ep.sweepAt) {
		return
	}
	ep.sweepAt = now.Add(sweepEvery)
	var over []uint64
	first := ep.feed.first()
	for seq, d := range ep.dead {
		if !d.flying && now.Sub(d.AbandonedAt) >= deadKept && (seq < first || d.Reason == errMissing.Error()) {
			over = append(over, seq)
		}
	}
	ep.dropDead(over, "webhooks: dead letters whose events have left the log are dropped", now)
}

// keepDead takes a dead letter in. When there are too many the oldest go.
func (ep *endpoint) keepDead(d *deadLetter, now time.Time) {
	ep.dead[d.Seq] = d
	ep.deadTimers.wait(d)
	ep.touchDead(d.Seq, now)
	ep.boundDead(now)
}

func (ep *endpoint) boundDead(now time.Time) {
	limit := ep.opts.MaxDeadLetters
	if len(ep.dead) <= limit {
		return
	}
	oldest := slices.Sorted(maps.Keys(ep.dead))
	// Some more, so that they are not sorted for each one that comes.
	oldest = oldest[:min(len(oldest)-limit+limit/64, len(oldest)-1)]
	ep.dropDead(oldest, "webhooks: there are too many dead letters, the oldest are dropped", now)
}

func (ep *endpoint) dropDead(seqs []uint64, why string, now time.Time) {
	if len(seqs) == 0 {
		return
	}
	for _, seq := range seqs {
		ep.exhume(seq, now)
	}
	ep.dropped += uint64(len(seqs))
	ep.totals.dropped.Add(uint64(len(seqs)))
	ep.logger.Warn(why, "dead_letters", len(seqs), "from", slices.Min(seqs), "to", slices.Max(seqs))
}
