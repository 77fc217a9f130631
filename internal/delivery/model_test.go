package delivery

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

var long = flag.Uint64("long", 0, "how many seeds the model is run with, in place of a few")

// TestModelHoldsUnderRandomFaults lets seeded scripts break receivers,
// connections and the server itself, and checks all that the receivers got
// against the model in check.
func TestModelHoldsUnderRandomFaults(t *testing.T) {
	seeds := uint64(16)
	if *long > 0 {
		seeds = *long
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { inWorld(t, func(w *world) { randomRun(w, seed) }, "a", "b") })
	}
}

func randomRun(w *world, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 42))
	if seed%2 == 1 {
		// Small windows: lanes overflow, and the log is read again all the time.
		w.stop(time.Second)
		w.options.Window, w.options.MaxLanes, w.options.Concurrency = 4, 5, 3
		w.start()
	}
	fail := lockedRandom(seed)
	pick := func() fault {
		if fail() < 0.6 {
			return fault{}
		}
		faults := []fault{
			{Status: 500}, {Status: 404}, {Status: 302, Location: "http://b/hook"}, {Status: 429, RetryAfter: "3"},
			{Status: 503}, {Hang: true}, {Reset: true}, {ResetAfter: true}, {Status: 500, ResetAfter: true},
			{SlowBody: true}, {Status: 500, SlowBody: true}, {BodySize: 1 << 20}, {Close: true}, {Status: 500, Close: true},
			{Delay: 2 * time.Second}, {Delay: 9 * time.Second}, {Status: 500, Delay: 12 * time.Second},
		}
		return faults[int(fail()*float64(len(faults)))]
	}
	down := make(map[string]bool)
	paused := make(map[string]bool)
	ids := map[string]string{"a": EndpointID("http://a/hook"), "b": "b"}
	w.stop(time.Second)
	w.options.Endpoints = []Endpoint{hostEndpoint("a")}
	w.options.Keys = map[string]string{"devkey": "secret"}
	w.start()
	w.put(Endpoint{ID: "b"}) // one of the API, before the first event
	var bad sync.Map         // sequence numbers that are refused for themselves, everywhere
	for _, s := range w.sinks {
		s.Script(func(d *webhooksink.Delivery) fault {
			if _, refused := bad.Load(d.Header.Get(headerSeq)); refused {
				return fault{Status: 422}
			}
			return pick()
		})
	}
	for range 120 {
		time.Sleep(time.Duration(r.IntN(800)) * time.Millisecond)
		switch n := r.IntN(100); {
		case n < 3:
			w.crash()
		case n < 5:
			w.restart()
		case n < 14:
			host := []string{"a", "b"}[r.IntN(2)]
			do := w.eng.Pause
			if paused[host] {
				do = w.eng.Resume
			}
			if err := do(bg, ids[host]); err != nil {
				w.t.Fatal(err)
			}
			paused[host] = !paused[host]
		case n < 17:
			// A filter that lets the same through is a change all the same.
			w.put(Endpoint{ID: "b", Paused: paused["b"], Filter: Filter{Rooms: []string{"*", fmt.Sprint(n)}}})
		case n < 20:
			if _, err := w.eng.RotateSecret(bg, "b", time.Minute); err != nil {
				w.t.Fatal(err)
			}
		case n < 23:
			bad.Store(fmt.Sprint(w.log.Last()+uint64(r.IntN(5))), true)
		case n < 30:
			host := []string{"a", "b"}[r.IntN(2)]
			down[host] = !down[host]
			// Connections break too: what was accepted then may not be known.
			w.crashes = append(w.crashes, time.Now())
			w.pipe.SetDown(host+":80", down[host])
		default:
			w.emit(fmt.Sprint("room", r.IntN(8)), 1+r.IntN(6))
		}
	}
	for _, host := range w.hosts {
		w.sinks[host].Script(nil) // and nothing is bad any more
		w.pipe.SetDown(host+":80", false)
		if err := w.eng.Resume(bg, ids[host]); err != nil {
			w.t.Fatal(err)
		}
	}
	n := len(w.records())
	for _, host := range w.hosts {
		w.wantWithin(6*time.Hour, host, "", n) // dead letters are tried by the hour
		w.wantWhole(host)
	}
}

// TestModelFindsWhatItIsFor: a checker that cannot fail proves nothing.
func TestModelFindsWhatItIsFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.emit("blue", 3)
		w.wantWithin(time.Second, "a", "", 3)
		recs, good := w.records(), w.sinks["a"].Deliveries()
		if got := check(recs, good, nil); len(got) != 0 {
			t.Fatalf("a good run: %q", got)
		}
		refused := good[1]
		refused.Status = 500
		unsigned := good[0]
		unsigned.Invalid = "bad signature"
		announcing := good[2]
		announcing.Header = good[2].Header.Clone()
		announcing.Header.Set(headerGap, fmt.Sprint(recs[1].Seq))
		late := good[1]
		late.Header = good[1].Header.Clone()
		late.Header.Set(headerLate, "true")
		for name, bad := range map[string][]webhooksink.Delivery{
			"lost at the end":          good[:2],
			"lost in the middle":       {good[0], good[2]},
			"swapped":                  {good[1], good[0], good[2]},
			"skipped after a refusal":  {good[0], refused, good[2]},
			"repeated":                 {good[0], good[0], good[1], good[2]},
			"repeated at the end":      {good[0], good[1], good[2], good[1]},
			"late, never announced":    {good[0], good[2], late},
			"announced, never sent":    {good[0], announcing},
			"announced, sent unmarked": {good[0], announcing, good[1]},
			"not verified":             {unsigned, good[1], good[2]},
		} {
			if len(check(recs, bad, nil)) == 0 {
				t.Errorf("%s: no complaint", name)
			}
		}
		if got := check(recs, []webhooksink.Delivery{good[0], refused, good[1], good[2]}, nil); len(got) != 0 {
			t.Errorf("a retry: %q", got)
		}
		if got := check(recs, []webhooksink.Delivery{good[0], refused, announcing, late}, nil); len(got) != 0 {
			t.Errorf("an abandoned event: %q", got)
		}
	}, "a")
}
