package eventlog_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

// readCounter counts reads of the whole log.
type readCounter struct {
	*memory.Store
	reads atomic.Int64
}

func (s *readCounter) Read(room string, after uint64, limit int) ([]event.Record, error) {
	if room == "" {
		s.reads.Add(1)
	}
	return s.Store.Read(room, after, limit)
}

func TestFollowersGetFromMemoryWhatIsStored(t *testing.T) {
	store := &readCounter{Store: memory.New()}
	l := open(t, eventlog.Options{Store: store})
	store.reads.Store(0)
	events := joins(1000)
	var follower uint64
	for len(events) > 0 {
		n := min(len(events), 1+len(events)%7)
		if err := l.Sync(t.Context(), l.Append(events[:n]...)); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
		got, err := l.Read(t.Context(), follower, 2)
		if err != nil || len(got) == 0 || len(got) > 2 {
			t.Fatalf("%d records after %d, %v", len(got), follower, err)
		}
		more, err := l.Read(t.Context(), got[len(got)-1].Seq, 100)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, more...)
		want, err := store.Store.Read("", follower, 100)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("after %d (-stored +read):\n%s", follower, d)
		}
		for i := range got {
			b, err := eventlog.AppendRecord(nil, &got[i])
			if err != nil {
				t.Fatal(err)
			}
			again, err := eventlog.DecodeRecord(b, got[i].Seq)
			if d := cmp.Diff(again, got[i]); d != "" || err != nil {
				t.Fatalf("an engine keeps it otherwise, %v (-kept +read):\n%s", err, d)
			}
		}
		follower = got[len(got)-1].Seq
	}
	if n := store.reads.Load(); n != 0 {
		t.Errorf("a follower has the engine read %d times", n)
	}
	old, err := l.Read(t.Context(), 0, 10)
	if err != nil || len(old) != 10 || old[0].Seq != 1 || store.reads.Load() != 1 {
		t.Errorf("from the start: %d records, %v, by %d reads", len(old), err, store.reads.Load())
	}
	closeLog(t, l)
}

func TestWhatWasForgottenIsNotReadFromMemory(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	events := joins(3)
	if err := l.Sync(t.Context(), l.Append(events...)); err != nil {
		t.Fatal(err)
	}
	who := events[1].Participant.Identity
	done, err := l.Forget(t.Context(), eventlog.Person{Identity: who})
	if err != nil || done.Events == 0 {
		t.Fatalf("Forget = %+v, %v", done, err)
	}
	records, err := l.Read(t.Context(), 1, 1)
	if err != nil || len(records) != 1 || records[0].Identity != done.Pseudonym {
		t.Errorf("read %+v, %v; want %s", records, err, done.Pseudonym)
	}
	closeLog(t, l)
}

func TestFollowersOfLargeBodiesAreServed(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	room := joins(1)[0]
	room.Room.Metadata = strings.Repeat("x", 600<<10)
	for seq := uint64(1); seq <= 4; seq++ {
		if err := l.Sync(t.Context(), l.Append(room)); err != nil {
			t.Fatal(err)
		}
		for after := range seq {
			records, err := l.Read(t.Context(), after, 1)
			if err != nil || len(records) != 1 || records[0].Seq != after+1 {
				t.Errorf("of %d, after %d: %d records, %v", seq, after, len(records), err)
			}
		}
	}
	closeLog(t, l)
}
