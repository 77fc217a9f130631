package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// One event of a batch cannot be read: it is given up alone, and those before it
// are sent.
func TestBatchGivesUpOnlyWhatCannotBeRead(t *testing.T) {
	log := &endlessLog{n: 10, rooms: 3}
	ep := loopOf(t, log)
	now := time.Now()
	desc := ep.desc
	desc.Batch = Batch{Max: 100, Wait: time.Millisecond}
	s, err := newSender(&desc, ep.feed, ep.opts)
	if err != nil {
		t.Fatal(err)
	}
	ep.become(desc, s)
	ep.relay(now)
	for ep.wantsRefill(now) {
		ep.refill(context.Background(), now)
	}
	var l *lane
	for _, l = range ep.lanes {
	}
	if l == nil || len(l.items) != 10 {
		t.Fatalf("lanes %+v", ep.lanes)
	}
	ep.forgetRecords() // they are read again when it is their turn
	log.damaged = 6
	l.flying, l.attempts, l.size = true, 1, 100
	ep.inFlight = 1
	j := job{lane: l, seq: 1, batch: slices.Clone(l.items)}
	_, err = s.load(context.Background(), &j)
	if !errors.Is(err, errMissing) {
		t.Fatalf("load = %v", err)
	}
	ep.finish(result{job: j, err: err}, now)
	if len(ep.dead) != 1 || ep.dead[6] == nil || len(l.items) != 9 || l.head().seq != 1 || l.attempts != 0 {
		t.Errorf("dead letters %v, %d items from %d, %d attempts", ep.dead, len(l.items), l.head().seq, l.attempts)
	}
	j = job{lane: l, seq: 1, batch: slices.Clone(l.items)}
	body, err := s.load(context.Background(), &j)
	if err != nil || j.count != 9 || len(body) == 0 {
		t.Errorf("then load = %d events, %v", j.count, err)
	}
}

// Who is looking for the event that is refused waits all the same when it is asked to.
func TestSearchInABatchHeedsRetryAfter(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		var asked atomic.Int32
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
			var events []json.RawMessage
			if err := json.Unmarshal(d.Body, &events); err != nil {
				t.Error(err)
			}
			switch {
			case len(events) > 64:
				return fault{Status: 413} // the search begins
			case asked.Add(1) <= 3:
				return fault{Status: 503, RetryAfter: "10"}
			default:
				return fault{Status: 200}
			}
		})
		w.put(Endpoint{ID: "a", Batch: Batch{Max: 100}})
		w.emit("blue", 100)
		time.Sleep(2 * time.Minute)
		if n := asked.Load(); n < 4 {
			t.Fatalf("%d requests of a few", n)
		}
		all := w.sinks["a"].Deliveries()
		for i, d := range all[1:] {
			if gap := d.At.Sub(all[i].At); all[i].Fault.RetryAfter != "" && gap < 10*time.Second {
				t.Errorf("request %d came after %s", i+2, gap)
			}
		}
		if s := w.eng.Stats()[1]; s.Lag != 0 {
			t.Errorf("stats %+v", s)
		}
	}, "a")
}
