package delivery

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// The clock is another one after each restart: hours behind, or ahead. Bubbles of
// virtual time begin at the same moment, so that a second one on what the first
// left is a machine whose clock was set back by as long as the first one ran.
func TestClockThatWasSetBackOrForwardHoldsNothingUp(t *testing.T) {
	for name, test := range map[string]struct{ ran, later time.Duration }{
		"an hour back":      {ran: time.Hour},
		"four hours back":   {ran: 4 * time.Hour},
		"an hour forward":   {ran: time.Hour, later: 2 * time.Hour},
		"four days forward": {ran: time.Hour, later: 97 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var left *memory.Store
			inWorld(t, func(w *world) {
				w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 422}}))
				w.emit("blue", 2)
				time.Sleep(test.ran - 10*time.Minute)
				w.wantWithin(time.Second, "a", "blue", 1)
				w.pipe.SetDown("a:80", true)
				w.emit("blue", 3)
				w.emit("red", 3)
				time.Sleep(10 * time.Minute)
				w.stop(time.Second)
				left = w.store.Clone()
			}, "a")

			inWorld(t, func(w *world) {
				w.stop(time.Second)
				w.closeLog()
				time.Sleep(test.later)
				w.store = left
				w.openLog()
				w.start()
				w.emit("red", 2)
				// All that waits goes at once, in order, with tokens of now.
				w.wantWithin(time.Minute, "a", "red", 5)
				w.wantWithin(time.Minute, "a", "blue", 3)
				for i, d := range w.sinks["a"].Deliveries() {
					if d.Invalid != "" {
						t.Errorf("request %d: %s", i, d.Invalid)
					}
				}
				if all := webhooksink.Accepted(w.sinks["a"].Deliveries()); !inOrder(all) {
					t.Errorf("out of order: %v", all)
				}
				// What was left behind is tried again within its longest gap, unless it
				// was given up: then it stays to be redriven.
				dead, err := w.eng.DeadLetters(bg, EndpointID("http://a/hook"), 0, 10)
				if err != nil {
					t.Fatal(err)
				}
				if len(dead) == 1 && !dead[0].Next.IsZero() {
					w.wantWithin(75*time.Minute, "a", "blue", 4)
				} else if len(dead) == 1 {
					if _, err := w.eng.Redrive(bg, EndpointID("http://a/hook")); err != nil {
						t.Fatal(err)
					}
					w.wantWithin(time.Minute, "a", "blue", 4)
				}
				if n := len(webhooksink.Accepted(w.sinks["a"].Deliveries())); n != 9 {
					t.Errorf("%d of 9 events accepted since", n)
				}
				// Ids rise whatever the clock says.
				last := ""
				for _, r := range w.records() {
					if r.ID <= last {
						t.Errorf("event %d has id %s after %s", r.Seq, r.ID, last)
					}
					last = r.ID
				}
			}, "a")
		})
	}
}

// inOrder says whether each room's events came in the order of the log, but for
// late ones.
func inOrder(all []webhooksink.Delivery) bool {
	last := make(map[string]string)
	for _, d := range all {
		if d.Header.Get(headerLate) == "true" {
			continue
		}
		if d.ID() <= last[d.Room()] {
			return false
		}
		last[d.Room()] = d.ID()
	}
	return true
}
