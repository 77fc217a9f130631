package server

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/httpapi"
)

// retention is what the configuration says of how long events are kept. It is
// looked at often enough for the age to be exact to its 256th part.
func (s *Server) retention() eventlog.Retention {
	keep := s.cfg.Log
	interval := time.Minute
	if keep.RetentionAge > 0 {
		interval = min(max(keep.RetentionAge/256, 250*time.Millisecond), interval)
	}
	return eventlog.Retention{
		Age: keep.RetentionAge, Size: uint64(keep.RetentionSize), Quota: uint64(keep.Quota),
		Hold: s.heldFrom, Interval: interval,
	}
}

// heldFrom is the lowest seq that somebody has not acknowledged. It is asked on
// the log's own goroutine, which may be before there is anybody.
func (s *Server) heldFrom() uint64 {
	select {
	case <-s.reading:
	default:
		return 1
	}
	if needs := s.needs(); len(needs) > 0 {
		return needs[0].Seq
	}
	return math.MaxUint64
}

// needs are all who read the log and have not acknowledged all of it, whoever is
// furthest behind first.
func (s *Server) needs() []delivery.Place {
	needs := slices.Concat(s.delivery.Needs(), s.consumers.Needs())
	slices.SortStableFunc(needs, func(a, b delivery.Place) int { return cmp.Compare(a.Seq, b.Seq) })
	return needs
}

// logState is what the log holds, and for whom.
func (s *Server) logState() httpapi.LogState {
	keep, stats := s.cfg.Log, s.events.Stats()
	last := s.events.Last()
	state := httpapi.LogState{
		First: s.events.First(), Last: last, Bytes: stats.Bytes,
		RetentionSeconds: int64(keep.RetentionAge / time.Second), RetentionBytes: uint64(keep.RetentionSize), Quota: uint64(keep.Quota),
		Full: errors.Is(s.events.Ready(), eventlog.ErrQuota), Refused: stats.RefusedByQuota,
	}
	for _, n := range s.needs() {
		if n.Seq <= last {
			state.Needs = append(state.Needs, n)
		}
	}
	return state
}
