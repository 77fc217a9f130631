package eventlog_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

func TestIntactReadersPassOverWhatIsDamaged(t *testing.T) {
	store := damaged{memory.New(), make(map[uint64]bool)}
	l := open(t, eventlog.Options{Store: store})
	const n = 10
	for _, e := range joins(n) {
		l.Append(e)
	}
	if err := l.Sync(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = open(t, eventlog.Options{Store: store}) // that has nothing in memory
	defer closeLog(t, l)
	intact := eventlog.Intact{Log: l}
	for _, seqs := range [][]uint64{nil, {1}, {4, 5, 6}, {9, 10}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}} {
		clear(store.seqs)
		var want []uint64
		for seq := uint64(1); seq <= n; seq++ {
			if store.seqs[seq] = slices.Contains(seqs, seq); !store.seqs[seq] {
				want = append(want, seq)
			}
		}
		for name, read := range map[string]func(after uint64) ([]event.Record, error){
			"Read":     func(after uint64) ([]event.Record, error) { return intact.Read(t.Context(), after, 3) },
			"ReadRoom": func(after uint64) ([]event.Record, error) { return intact.ReadRoom(t.Context(), "room", after, 3) },
		} {
			var got []uint64
			for after := uint64(0); ; {
				records, err := read(after)
				if err != nil {
					t.Fatalf("%s without %v, after %d: %v", name, seqs, after, err)
				}
				if len(records) == 0 {
					break
				}
				for i := range records {
					after = records[i].Seq
					got = append(got, after)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s without %v: %v, want %v", name, seqs, got, want)
			}
		}
		if len(seqs) > 0 {
			if _, err := l.Read(t.Context(), seqs[0]-1, 1); !errors.Is(err, eventlog.ErrCorrupt) {
				t.Errorf("the log itself reads %v: %v", seqs[0], err)
			}
		}
	}
}
