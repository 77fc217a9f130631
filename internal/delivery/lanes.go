package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// LaneStats is one lane of an endpoint that has work.
type LaneStats struct {
	// Room is what it keeps in order; empty for a lane that is not of a room.
	Room string `json:"room,omitempty"`
	// Waiting is how many events it holds, as far as seen.
	Waiting int `json:"waiting"`
	// Head is the event that is next, and HeadTime when it happened; zero while
	// the lane is about to be read from the log.
	Head     uint64    `json:"head,omitempty"`
	HeadTime time.Time `json:"headTime,omitzero"`
	// Attempts were made at it; Reason is the last failure.
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason,omitempty"`
	// Sending says that an attempt is under way; Next is when the next one is due.
	Sending bool      `json:"sending"`
	Next    time.Time `json:"next,omitzero"`
}

// Lanes returns up to limit lanes of an endpoint that have work, those that were
// tried most often first.
func (e *Engine) Lanes(_ context.Context, endpoint string, limit int) ([]LaneStats, error) {
	ep, err := e.find(endpoint)
	if err != nil {
		return nil, fmt.Errorf("lanes: %w", err)
	}
	var all []LaneStats
	ep.see(func() {
		for _, l := range ep.lanes {
			s := LaneStats{Waiting: len(l.items) + l.skipped, Attempts: l.attempts, Reason: l.reason, Sending: l.flying}
			if l.key.kind == roomLane {
				s.Room = l.key.name
			}
			if len(l.items) > 0 {
				s.Head, s.HeadTime = l.head().seq, time.UnixMicro(l.head().time).UTC()
			}
			if l.timer >= 0 && !l.flying {
				s.Next = l.due.UTC()
			}
			all = append(all, s)
		}
	})
	slices.SortFunc(all, func(a, b LaneStats) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Head, b.Head))
	})
	return all[:min(len(all), max(limit, 0))], nil
}
