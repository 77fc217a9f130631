package eventlog_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// damaged is a store in which some records cannot be read.
type damaged struct {
	*memory.Store
	seqs map[uint64]bool
}

func (d damaged) Read(room string, after uint64, limit int) ([]event.Record, error) {
	records, err := d.Store.Read(room, after, limit)
	for i := range records {
		if seq := records[i].Seq; d.seqs[seq] {
			return records[:i], &eventlog.CorruptError{Seq: seq, Reason: "test"}
		}
	}
	return records, err
}

func TestEventsAreFoundByIDAndTimeAlsoAmongDamagedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := damaged{memory.New(), make(map[uint64]bool)}
		l := open(t, eventlog.Options{Store: store})
		if seq, err := l.At(t.Context(), time.Now()); seq != 1 || err != nil {
			t.Errorf("At in an empty log = %d, %v", seq, err)
		}
		start := time.Now()
		const n = 40
		for range n {
			if err := l.Sync(t.Context(), l.Append(storetest.Typical(1))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		all := storetest.ReadAll(t, l)
		closeLog(t, l)
		l = open(t, eventlog.Options{Store: store}) // that has nothing in memory
		for _, seqs := range [][]uint64{nil, {1}, {20, 21, 22}, {1, 2, 3, 30, 38, 39, 40}} {
			clear(store.seqs)
			for _, seq := range seqs {
				store.seqs[seq] = true
			}
			for i, want := range all {
				got, err := l.ByID(t.Context(), want.ID)
				if store.seqs[want.Seq] {
					if !errors.Is(err, eventlog.ErrNotFound) {
						t.Errorf("damaged %v: ByID of %d = %d, %v", seqs, want.Seq, got.Seq, err)
					}
					continue
				}
				if d := cmp.Diff(want, got); d != "" || err != nil {
					t.Errorf("damaged %v: ByID of %d, %v:\n%s", seqs, want.Seq, err, d)
				}
				if seq, err := l.At(t.Context(), start.Add(time.Duration(i)*time.Minute)); seq != want.Seq || err != nil {
					t.Errorf("damaged %v: At minute %d = %d, %v", seqs, i, seq, err)
				}
			}
		}
		if seq, err := l.At(t.Context(), time.Now()); seq != n+1 || err != nil {
			t.Errorf("At after the end = %d, %v", seq, err)
		}
		for _, id := range []string{"", "EV_1", "018bcfe5-6800-7000-8000-000000000001", "ffffffff-6800-7000-8000-000000000001"} {
			if _, err := l.ByID(t.Context(), id); !errors.Is(err, eventlog.ErrNotFound) {
				t.Errorf("ByID %q: %v", id, err)
			}
		}
		closeLog(t, l)
	})
}

func TestAtMissesNothingWhenTheClockWasSetBack(t *testing.T) {
	// A log whose ids are ahead of the clock by an hour goes on after them.
	store := memory.New()
	ahead := time.Now().Add(time.Hour)
	first := storetest.Record(1, ahead)
	if err := store.Apply(&eventlog.Batch{Records: []event.Record{first}}); err != nil {
		t.Fatal(err)
	}
	l := open(t, eventlog.Options{Store: store})
	before := time.Now()
	if err := l.Sync(t.Context(), l.Append(joins(5)...)); err != nil {
		t.Fatal(err)
	}
	all := storetest.ReadAll(t, l)
	storetest.CheckOrder(t, all)
	seq, err := l.At(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if !r.Committed.Before(before) && r.Seq < seq {
			t.Errorf("event %d was committed at %s and lies before At(%s) = %d", r.Seq, r.Committed, before, seq)
		}
	}
	closeLog(t, l)
}

func TestScanPagesThroughWhatIsStoredAndWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New(), CursorDelay: time.Hour})
		want := make(map[string]string)
		for i := range 20 {
			key := fmt.Sprintf("p/%02d", i)
			want[key] = "stored"
			if err := l.Put(t.Context(), key, []byte("stored")); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Put(t.Context(), "q", nil); err != nil {
			t.Fatal(err)
		}
		if err := l.Delete(t.Context(), "p/00", "p/19"); err != nil {
			t.Fatal(err)
		}
		l.SaveCursors(map[string][]byte{"p/05": []byte("new"), "p/055": []byte("new"), "p/z": []byte("new")}, []string{"p/06", "p/07", "p/08"})
		for _, gone := range []string{"p/00", "p/19", "p/06", "p/07", "p/08"} {
			delete(want, gone)
		}
		want["p/05"], want["p/055"], want["p/z"] = "new", "new", "new"
		for limit := 1; limit < 25; limit++ {
			got := make(map[string]string)
			for after := ""; ; {
				page, err := l.Scan(t.Context(), "p/", after, limit)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) > limit {
					t.Errorf("a page of %d, limit %d", len(page), limit)
				}
				if len(page) == 0 {
					break
				}
				for _, v := range page {
					if v.Key <= after {
						t.Fatalf("%q after %q", v.Key, after)
					}
					after = v.Key
					got[v.Key] = string(v.Value)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("limit %d (-want +got):\n%s", limit, d)
			}
		}
		if v, ok, err := l.Value("p/05"); string(v) != "new" || !ok || err != nil {
			t.Errorf("Value = %q, %t, %v", v, ok, err)
		}
		if _, ok, err := l.Value("p/0"); ok || err != nil {
			t.Errorf("Value of a prefix = %t, %v", ok, err)
		}
		closeLog(t, l)
		if err := l.Put(t.Context(), "a", nil); !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("Put into a closed log: %v", err)
		}
	})
}
