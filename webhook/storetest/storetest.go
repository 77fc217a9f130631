package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/webhook"
)

// App is an application with a store.
type App[Tx any] struct {
	// Open opens the store, as each process that starts does.
	Open func(t testing.TB) webhook.Store[Tx]
	// Note remembers an event of a lane, in tx.
	Note func(ctx context.Context, tx Tx, lane, id string) error
	// Notes returns the ids that are remembered of a lane, in the order of the notes.
	Notes func(t testing.TB, lane string) []string
	// Transactional says that a note is gone when its transaction fails.
	Transactional bool
}

var errApp = errors.New("the application fails")

// Run runs the suite. newApp returns an application with nothing in it.
func Run[Tx any](t *testing.T, newApp func(t *testing.T) App[Tx]) {
	ctx := context.Background()
	at := func(seq uint64) webhook.Position {
		return webhook.Position{Seq: seq, ID: fmt.Sprintf("id-%d", seq), RoomSID: "RM_1", RoomSeq: seq}
	}
	advance := func(app App[Tx], s webhook.Store[Tx], lane string, from, to webhook.Position, fail error) error {
		return s.Advance(ctx, lane, from, to, func(ctx context.Context, tx Tx) error {
			if fail != nil && !app.Transactional {
				return fail
			}
			if err := app.Note(ctx, tx, lane, to.ID); err != nil {
				return err
			}
			return fail
		})
	}
	wantAt := func(t *testing.T, s webhook.Store[Tx], lane string, want webhook.Position) {
		t.Helper()
		if got, err := s.Load(ctx, lane); err != nil || got != want {
			t.Fatalf("Load(%s) = %+v, %v; want %+v", lane, got, err, want)
		}
	}
	wantNotes := func(t *testing.T, app App[Tx], lane string, want ...string) {
		t.Helper()
		if got := app.Notes(t, lane); !slices.Equal(got, want) {
			t.Fatalf("notes of %s are %q, want %q", lane, got, want)
		}
	}

	t.Run("PositionsMoveWithTheWork", func(t *testing.T) {
		app := newApp(t)
		s := app.Open(t)
		wantAt(t, s, "room:a", webhook.Position{})
		for seq := range uint64(3) {
			from := at(seq)
			if seq == 0 {
				from = webhook.Position{}
			}
			if err := advance(app, s, "room:a", from, at(seq+1), nil); err != nil {
				t.Fatal(err)
			}
			wantAt(t, s, "room:a", at(seq+1))
		}
		wantAt(t, s, "room:b", webhook.Position{})
		wantAt(t, app.Open(t), "room:a", at(3))
		wantNotes(t, app, "room:a", "id-1", "id-2", "id-3")
	})

	t.Run("FailedWorkMovesNothing", func(t *testing.T) {
		app := newApp(t)
		s := app.Open(t)
		if err := advance(app, s, "room:a", webhook.Position{}, at(1), errApp); !errors.Is(err, errApp) {
			t.Fatalf("Advance = %v, want the application's error", err)
		}
		wantAt(t, s, "room:a", webhook.Position{})
		if err := advance(app, s, "room:a", webhook.Position{}, at(1), nil); err != nil {
			t.Fatal(err)
		}
		if err := advance(app, s, "room:a", at(1), at(2), errApp); !errors.Is(err, errApp) {
			t.Fatalf("Advance = %v, want the application's error", err)
		}
		wantAt(t, s, "room:a", at(1))
		wantNotes(t, app, "room:a", "id-1")
	})

	t.Run("WhoIsLateIsToldSo", func(t *testing.T) {
		app := newApp(t)
		s := app.Open(t)
		if err := advance(app, s, "room:a", webhook.Position{}, at(2), nil); err != nil {
			t.Fatal(err)
		}
		for _, from := range []webhook.Position{{}, at(1), at(3)} {
			if err := advance(app, s, "room:a", from, at(4), nil); !errors.Is(err, webhook.ErrConflict) {
				t.Errorf("Advance from %d = %v, want ErrConflict", from.Seq, err)
			}
		}
		wantAt(t, s, "room:a", at(2))
		wantNotes(t, app, "room:a", "id-2")
	})

	t.Run("OneOfManyWins", func(t *testing.T) {
		app := newApp(t)
		first := app.Open(t)
		for round := range uint64(8) {
			from := at(round)
			if round == 0 {
				from = webhook.Position{}
			}
			var wg sync.WaitGroup
			errs := make([]error, 4)
			for i := range errs {
				s := first
				if i%2 == 1 {
					s = app.Open(t)
				}
				wg.Go(func() { errs[i] = advance(app, s, "room:a", from, at(round+1), nil) })
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				}
			}
			if won != 1 {
				t.Fatalf("%d of %d advances from %d succeeded: %v", won, len(errs), round, errs)
			}
		}
		wantNotes(t, app, "room:a", "id-1", "id-2", "id-3", "id-4", "id-5", "id-6", "id-7", "id-8")
	})

	t.Run("Inbox", func(t *testing.T) { runModel(t, newApp) })
}
