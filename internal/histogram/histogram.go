package histogram

import (
	"sort"
	"sync/atomic"
	"time"
)

// Histogram counts durations. Its methods may be called from anywhere.
type Histogram struct {
	bounds []time.Duration // immutable; rising
	counts []atomic.Uint64 // one per bound, and one for what is above all of them
	sum    atomic.Int64    // nanoseconds
}

// New returns a histogram with these upper bounds of its buckets, which rise.
func New(bounds ...time.Duration) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) {
	i := sort.Search(len(h.bounds), func(i int) bool { return d <= h.bounds[i] })
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// A Snapshot is what was counted so far.
type Snapshot struct {
	Bounds []time.Duration // of the buckets, above; not to be changed
	// Within[i] are those of at most Bounds[i].
	Within []uint64
	Count  uint64
	Sum    time.Duration
}

// Snapshot returns what was counted. Counts that are added meanwhile may be in
// it or not, each bucket by itself.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Bounds: h.bounds, Within: make([]uint64, len(h.bounds)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		s.Count += h.counts[i].Load()
		if i < len(s.Within) {
			s.Within[i] = s.Count
		}
	}
	return s
}
