package histogram

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADurationIsInTheFirstBucketThatHoldsIt(t *testing.T) {
	h := New(time.Millisecond, time.Second)
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Hour} {
		h.Observe(d)
	}
	want := Snapshot{
		Bounds: []time.Duration{time.Millisecond, time.Second},
		Within: []uint64{2, 4},
		Count:  5,
		Sum:    time.Hour + time.Second + 2*time.Millisecond + 1,
	}
	if diff := cmp.Diff(want, h.Snapshot()); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	h := New(time.Millisecond, time.Second)
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Minute) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
