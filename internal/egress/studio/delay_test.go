package studio

import (
	"testing"
	"time"
)

// When less has to be waited for than before, no machine is taken for one that is too
// slow, and it is waited for less in the end.
func TestLessDelayLeavesNoPictureOut(t *testing.T) {
	const step, most, least = time.Second / 30, 400 * time.Millisecond, 60 * time.Millisecond
	for _, takes := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 32 * time.Millisecond} {
		var d delay
		var p pace
		var now time.Duration
		for n := range 3000 {
			needed := least
			if n < 300 {
				needed = most
			}
			due := time.Duration(n) * step
			now = max(now, due+d.atLeast(needed))
			late := now - due - d.atLeast(needed)
			d.shrink(late, step)
			if !p.draw(due, late, encoderState{}) {
				t.Fatalf("picture %d, %v each: it is left out", n, takes)
			}
			now += takes
		}
		if d.atLeast(least) > least+step {
			t.Errorf("%v each: the delay is %v at the end", takes, d.now)
		}
	}
}

func TestDelayGrowsAtOnce(t *testing.T) {
	var d delay
	if got := d.atLeast(100); got != 100 {
		t.Errorf("%v", got)
	}
	d.shrink(0, 100)
	if got := d.atLeast(0); got != 90 {
		t.Errorf("it shrank to %v", got)
	}
	d.shrink(100, 100)
	if got := d.atLeast(0); got != 90 {
		t.Errorf("it shrank to %v when it was late", got)
	}
	if got := d.atLeast(300); got != 300 {
		t.Errorf("it grew to %v", got)
	}
}
