package delivery

import (
	"math/rand/v2"
	"testing"
	"time"
)

// What waits comes out by its time, and knows its place until it is out.
func TestTimersHaveTheEarliestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	var waiting timers[*lane]
	var all []*lane
	for range 200 {
		l := &lane{timer: 7, due: now.Add(time.Duration(random.IntN(50)) * time.Second)}
		waiting.wait(l)
		all = append(all, l)
	}
	never := &lane{timer: 7}
	waiting.wait(never)
	if never.timer != -1 || len(waiting) != len(all) {
		t.Errorf("what has no time waits at %d, with %d others", never.timer, len(waiting)-1)
	}
	for i, l := range all {
		if i%3 == 0 {
			waiting.remove(l)
			if l.timer != -1 {
				t.Fatalf("taken out, it is at %d", l.timer)
			}
		}
	}
	var last time.Time
	for n := len(waiting); n > 0; n-- {
		for i, l := range waiting {
			if l.timer != i {
				t.Fatalf("the one at %d says %d", i, l.timer)
			}
		}
		first := waiting[0]
		if first.due.Before(last) {
			t.Fatalf("%v after %v", first.due, last)
		}
		last = first.due
		waiting.remove(first)
	}
	if last.IsZero() || len(waiting) != 0 {
		t.Errorf("%d wait", len(waiting))
	}
}
