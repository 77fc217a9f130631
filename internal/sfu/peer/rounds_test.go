package peer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

func TestEverybodyIsVisitedOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 8 * time.Second
		r := newRounds(interval)
		state := func(i int) (n int, due time.Duration, runs bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			s := &r.slots[i]
			return len(s.conns), time.Until(s.due), s.timer != nil
		}
		dues := func() (all [slotCount]time.Time) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for i := range r.slots {
				all[i] = r.slots[i].due
			}
			return all
		}
		time.Sleep(100 * time.Minute)
		var conns []*conn
		for range 3*slotCount + 1 {
			c := &conn{}
			c.packets.link = transport.NewLink(nil, nil, nil)
			r.add(c)
			r.add(c) // once is enough
			conns = append(conns, c)
		}
		most := 0
		for i := range slotCount {
			n, due, runs := state(i)
			if n < 3 || n > 4 || !runs || due <= 0 || due > interval {
				t.Errorf("slot %d has %d, runs %v, is due in %v", i, n, runs, due)
			}
			most = max(most, n)
		}
		if most != 4 {
			t.Errorf("the last one is nowhere")
		}
		for range 100 {
			before := dues()
			time.Sleep(interval)
			synctest.Wait()
			for i, due := range dues() {
				if moved := due.Sub(before[i]); moved != interval {
					t.Fatalf("slot %d was visited after %v", i, moved)
				}
			}
		}
		for _, c := range conns {
			r.remove(c)
			r.remove(c)
		}
		for i := range slotCount {
			if n, _, runs := state(i); n != 0 || runs {
				t.Errorf("slot %d has %d, runs %v when all have left", i, n, runs)
			}
		}
		r.visit(&r.slots[0]) // as one that was on its way
		if r.slots[0].timer != nil || len(r.places) > 0 {
			t.Error("it goes on for nobody")
		}
		// Who comes when nobody was there is visited within an interval, too.
		time.Sleep(interval / 3)
		r.add(conns[0])
		if due := time.Until(r.places[conns[0]].due); due <= interval/2 || due > interval {
			t.Errorf("due in %v", due)
		}
		r.remove(conns[0])
	})
}
