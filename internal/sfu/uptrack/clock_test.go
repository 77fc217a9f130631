package uptrack

import (
	"testing"
	"time"
)

func TestClockTakesTheFastestReportAndFollowsDrift(t *testing.T) {
	var c Clock
	theirs, ours := time.Unix(5000, 0), time.Unix(9000, 0)
	if _, ok := c.Theirs(ours); ok {
		t.Fatal("knows their time without a report")
	}
	want := func(at, wanted time.Time, why string) {
		t.Helper()
		if got, ok := c.Theirs(at); !ok || !got.Equal(wanted) {
			t.Fatalf("their time is %v, want %v: %s", got, wanted, why)
		}
	}
	const ms = time.Millisecond
	c.Observe(theirs, ours.Add(80*ms))
	want(ours, theirs.Add(-80*ms), "the only report")
	c.Observe(theirs.Add(time.Second), ours.Add(time.Second+20*ms))
	c.Observe(theirs.Add(2*time.Second), ours.Add(2*time.Second+50*ms))
	want(ours, theirs.Add(-20*ms), "the fastest")
	// Their clock loses a millisecond a second; the old best is forgotten.
	for i := range 60 {
		d := time.Duration(3+i) * time.Second
		c.Observe(theirs.Add(d-time.Duration(i)*ms), ours.Add(d+20*ms))
	}
	got, _ := c.Theirs(ours)
	if lag := theirs.Sub(got); lag < 49*ms || lag > 79*ms {
		t.Fatalf("after drifting 60 ms the offset is %v", lag)
	}
	c.Observe(theirs.Add(time.Hour), ours.Add(2*time.Minute))
	want(ours.Add(2*time.Minute), theirs.Add(time.Hour), "a clock that is set counts at once")
}

func TestSteadyClockDoesNotLeap(t *testing.T) {
	c := SteadyClock()
	theirs, ours := time.Unix(5000, 0), time.Unix(9000, 0)
	const ms = time.Millisecond
	lag := func(at time.Duration) time.Duration {
		t.Helper()
		got, ok := c.Theirs(ours.Add(at))
		if !ok {
			t.Fatal("knows their time not even after a report")
		}
		return theirs.Add(at).Sub(got)
	}
	c.Observe(theirs, ours.Add(400*ms))
	c.Observe(theirs.Add(time.Second), ours.Add(time.Second+300*ms))
	if got := lag(time.Second); got != 300*ms {
		t.Errorf("at first it is %v behind, want what is known then, 300 ms", got)
	}
	c.Observe(theirs.Add(2*time.Second), ours.Add(2*time.Second))
	if got := lag(2 * time.Second); got != 299*ms {
		t.Errorf("a second later it is %v behind, want 299 ms", got)
	}
	if got := lag(time.Second); got != 299*ms {
		t.Errorf("asked about an earlier moment it is %v behind, want 299 ms", got)
	}
	if got := lag(time.Hour); got != 0 {
		t.Errorf("in the end it is %v behind, want nothing", got)
	}
	c.Observe(theirs.Add(2*time.Hour), ours.Add(time.Hour))
	if got := lag(time.Hour); got != -time.Hour {
		t.Errorf("a clock that was set is %v behind, want an hour ahead at once", got)
	}
}
