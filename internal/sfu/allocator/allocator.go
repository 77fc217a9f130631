package allocator

import (
	"cmp"
	"slices"
)

// Paused is the step of a track that is not sent.
const Paused = -1

// MaxSteps is how many steps a track may have.
const MaxSteps = 16

// Track is one track that wants to be sent.
type Track struct {
	// ID is the caller's, to find the track again.
	ID int
	// Priority orders tracks; the higher goes first.
	Priority int
	// Rates are what the steps take, in bits per second, the least first. A
	// track of which nothing is known has none and gets step 0.
	Rates []uint64
	// Now is the step that it has, or Paused.
	Now int
	// Next is the step that it gets.
	Next int
}

// headroom is the share of the capacity that is left free when a track is
// raised, so that it is not lowered again by the first large frame.
const headroom = 0.08

// Need returns the capacity at which a sum of rates may be raised to.
func Need(rate uint64) uint64 { return uint64(float64(rate)/(1-headroom)) + 1 }

// Allocate sets Next of every track, and sorts them by priority. What does not
// fit is paused if mayPause is set, and else sent at its lowest step. It
// returns the capacity that would let the next track be raised, 0 if all have
// what they want.
func Allocate(capacity uint64, mayPause bool, tracks []Track) (need uint64) {
	slices.SortStableFunc(tracks, func(a, b Track) int { return cmp.Compare(b.Priority, a.Priority) })
	raised := uint64(float64(capacity) * (1 - headroom))
	limit := func(t *Track, step int) uint64 {
		if step > t.Now {
			return raised
		}
		return capacity
	}
	wants := func(total uint64) {
		if n := Need(total); need == 0 || n < need {
			need = n
		}
	}

	used, steps, starved := uint64(0), 0, false
	for i := range tracks {
		t := &tracks[i]
		t.Next = 0
		steps = max(steps, len(t.Rates))
		if len(t.Rates) == 0 {
			continue
		}
		switch {
		case used+t.Rates[0] <= limit(t, 0), !mayPause:
			used += t.Rates[0]
		default:
			t.Next = Paused
			wants(used + t.Rates[0])
			starved = true
		}
	}
	for step := 1; step < steps; step++ {
		for i := range tracks {
			t := &tracks[i]
			if t.Next != step-1 || step >= len(t.Rates) {
				continue
			}
			total := used - t.Rates[step-1] + max(t.Rates[step], t.Rates[step-1])
			if total <= limit(t, step) {
				t.Next = step
				used = total
			} else if !starved {
				wants(total)
			}
		}
	}
	return need
}
