package webhook_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/webhook"
	"github.com/rollcall-rtc/rollcall/webhook/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.App[webhook.NoTx] {
		store := webhook.NewMemoryStore()
		var mu sync.Mutex
		notes := make(map[string][]string)
		return storetest.App[webhook.NoTx]{
			Open: func(testing.TB) webhook.Store[webhook.NoTx] { return store },
			Note: func(_ context.Context, _ webhook.NoTx, lane, id string) error {
				mu.Lock()
				defer mu.Unlock()
				notes[lane] = append(notes[lane], id)
				return nil
			},
			Notes: func(_ testing.TB, lane string) []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(notes[lane])
			},
		}
	})
}

func TestPrunedLanesBeginAfterWhatWasPruned(t *testing.T) {
	ctx := t.Context()
	store := webhook.NewMemoryStore()
	work := func(context.Context, webhook.NoTx) error { return nil }
	if err := store.Advance(ctx, "room:old", webhook.Position{}, webhook.Position{Seq: 40, ID: "a"}, work); err != nil {
		t.Fatal(err)
	}
	if err := store.Prune(ctx, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if p, _ := store.Load(ctx, "room:old"); p.ID != "a" {
		t.Errorf("a lane that has just moved is pruned: %+v", p)
	}
	if err := store.Prune(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, lane := range []string{"room:old", "room:new"} {
		if p, _ := store.Load(ctx, lane); p != (webhook.Position{Seq: 40}) {
			t.Errorf("%s begins at %+v, want after 40", lane, p)
		}
	}
}
