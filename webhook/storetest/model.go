package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/webhook"
)

// attempts bounds how often the sender tries in a row; an event that fails one
// time in ten does not fail so often.
const attempts = 200

var errSource = errors.New("the log cannot be read")

// lane is what the model calls an event's lane.
func lane(ev *webhook.Event) string { return ev.GetRoom().GetName() }

// wanted returns the ids that have to arrive, by lane.
func wanted(sent []*webhook.Event) map[string][]string {
	ids := make(map[string][]string)
	for _, ev := range sent {
		ids[lane(ev)] = append(ids[lane(ev)], ev.GetId())
	}
	return ids
}

func check[Tx any](t *testing.T, app App[Tx], sent []*webhook.Event) {
	t.Helper()
	for name, want := range wanted(sent) {
		if got := app.Notes(t, name); !slices.Equal(got, want) {
			t.Fatalf("lane %q got %d events, want %d, each once and in order:\n got %q\nwant %q", name, len(got), len(want), got, want)
		}
	}
}

// handler notes each event; fail is asked before, and after where that can be
// undone.
func handler[Tx any](app App[Tx], fail func() bool) func(context.Context, Tx, *webhook.Event) error {
	return func(ctx context.Context, tx Tx, ev *webhook.Event) error {
		if fail() {
			return errApp
		}
		if err := app.Note(ctx, tx, lane(ev), ev.GetId()); err != nil {
			return err
		}
		if app.Transactional && fail() {
			return errApp
		}
		return nil
	}
}

func runModel[Tx any](t *testing.T, newApp func(t *testing.T) App[Tx]) {
	rooms := []string{"blue", "red", "RM_blue", "grün 🎥"}

	t.Run("TakesEachEventOnceWhateverTheSenderDoes", func(t *testing.T) {
		for seed := range uint64(12) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			chance := func(n int) bool { return rnd.IntN(n) == 0 }
			app := newApp(t)
			log := &Log{Page: 1 + rnd.IntN(7), Fail: func() error {
				if chance(20) {
					return errSource
				}
				return nil
			}}
			log.Random(rnd, 120, rooms...)
			sent := log.Deliveries()
			start := func() *webhook.Inbox[Tx] {
				return &webhook.Inbox[Tx]{Source: log, Store: app.Open(t), Handle: handler(app, func() bool { return chance(15) })}
			}
			in := start()
			last := make(map[string]*webhook.Event)
			for i := range sent {
				ev := sent[i]
				last[lane(ev)] = ev
				switch {
				case chance(6): // lost
					continue
				case chance(6): // something from around here, again or too early
					ev = sent[max(0, min(len(sent)-1, i-6+rnd.IntN(12)))]
				case chance(20): // the process starts again
					in = start()
				}
				ev = Copy(ev)
				if ev.GetRoom() != nil && chance(5) {
					ev.Delivery.PrevSeq = 0 // the sender has started again
				}
				for range rnd.IntN(3) {
					in.Take(t.Context(), ev) // an error is the sender's to repeat
				}
			}
			// What comes last brings everything that is missing.
			for _, ev := range last {
				var err error
				for range attempts {
					if err = in.Take(t.Context(), Copy(ev)); err == nil {
						break
					}
				}
				if err != nil {
					t.Fatalf("seed %d: event %d is never taken: %v", seed, ev.Delivery.Seq, err)
				}
			}
			check(t, app, sent)
		}
	})

	t.Run("TakesEachEventOnceInTwoProcesses", func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		app := newApp(t)
		log := new(Log)
		log.Random(rnd, 120, rooms...)
		sent := log.Deliveries()
		var wg sync.WaitGroup
		for range 2 {
			in := &webhook.Inbox[Tx]{Source: log, Store: app.Open(t), Handle: handler(app, func() bool { return false })}
			for name := range wanted(sent) {
				// Two senders of each lane, of which one is ahead at times.
				for skip := range 2 {
					wg.Go(func() {
						for i, ev := range sent {
							if lane(ev) != name || skip == 1 && i%3 != 0 {
								continue
							}
							var err error
							for range attempts {
								if err = in.Take(t.Context(), Copy(ev)); err == nil {
									break
								}
							}
							if err != nil {
								t.Errorf("event %d is never taken: %v", ev.Delivery.Seq, err)
							}
						}
					})
				}
			}
		}
		wg.Wait()
		check(t, app, sent)
	})
}
