package pebble

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// backlog is a database with compactions to do, of which it allows some at once.
type backlog struct {
	mu               sync.Mutex
	todo, allowed    int
	running, mostRun int
	handles          []pebble.CompactionGrantHandle
}

func (b *backlog) GetAllowedWithoutPermission() int { return b.allowed }

func (b *backlog) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.todo > 0, pebble.WaitingCompaction{}
}

func (b *backlog) Schedule(h pebble.CompactionGrantHandle) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.todo == 0 {
		return false
	}
	b.todo--
	b.running++
	b.mostRun = max(b.mostRun, b.running)
	b.handles = append(b.handles, h)
	return true
}

// finish ends the compaction that began first.
func (b *backlog) finish() {
	b.mu.Lock()
	h := b.handles[0]
	b.handles = b.handles[1:]
	b.running--
	b.mu.Unlock()
	h.Done()
}

func TestCompactionsWaitUntilTheStoreIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := &backlog{todo: 5, allowed: 2}, newCompactions()
		c.Register(1, db)
		if granted, _ := c.TrySchedule(); granted {
			t.Fatal("a compaction began before the store was open")
		}
		c.UpdateGetAllowedWithoutPermission()
		synctest.Wait()
		if db.running != 0 {
			t.Fatalf("%d compactions began before the store was open", db.running)
		}
		c.begin()
		synctest.Wait()
		var running []int
		for db.running > 0 {
			running = append(running, db.running)
			db.finish()
			synctest.Wait()
		}
		if want := []int{2, 2, 2, 2, 1}; !slices.Equal(running, want) || db.mostRun != 2 {
			t.Errorf("running at each end %v, want %v; most %d", running, want, db.mostRun)
		}
		granted, h := c.TrySchedule()
		if !granted {
			t.Fatal("nothing runs, and yet a compaction may not")
		}
		h.Done()
		c.Unregister()
		if granted, _ := c.TrySchedule(); granted {
			t.Error("a compaction began after the store was closed")
		}
	})
}

func TestCompactionsRunInAnOpenStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, MemTableSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1<<10)
	for i := range 2000 {
		if err := s.db.Set([]byte{prefixMeta, 'x', byte(i), byte(i >> 8)}, value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	before := s.db.Metrics().Compact.Count
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{255}, false); err != nil {
		t.Fatal(err)
	}
	if after := s.db.Metrics().Compact.Count; after <= before {
		t.Errorf("%d compactions, %d before", after, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A compaction that was chosen and could not begin at once is begun later: whoever asked
// for it must not have taken it back, or Pebble ends the process.
func TestScrubIsGivenUpWhileItsCompactionWaits(t *testing.T) {
	s, blocked := blockedStore(t)
	gone, giveUp := context.WithCancel(t.Context())
	scrubbed := make(chan error, 1)
	go func() { scrubbed <- s.Scrub(gone, 1, 500) }()
	chosen(t, blocked)
	giveUp()
	if err := <-scrubbed; !errors.Is(err, context.Canceled) {
		t.Errorf("Scrub that was given up = %v", err)
	}
	blocked.begin()
	if err := s.Scrub(t.Context(), 1, 500); err != nil {
		t.Errorf("Scrub, asked again: %v", err)
	}
	if n := s.db.Metrics().Compact.Count; n == 0 {
		t.Error("nothing was rewritten")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreClosesWhileAScrubWaits(t *testing.T) {
	s, blocked := blockedStore(t)
	scrubbed := make(chan error, 1)
	go func() { scrubbed <- s.Scrub(t.Context(), 1, 500) }()
	chosen(t, blocked)
	soon, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if err := s.Scrub(soon, 1, 500); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Scrub while another is at work = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-scrubbed; !errors.Is(err, errClosed) {
		t.Errorf("Scrub of a store that was closed = %v", err)
	}
}

// blockedStore returns a store with records in it, in which no compaction begins until
// begin is called.
func blockedStore(t *testing.T) (*Store, *compactions) {
	t.Helper()
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(500) {
		if err := s.db.Set(appendEventKey(nil, seq+1), make([]byte, 1<<10), pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	s.compactions.mu.Lock()
	s.compactions.open = false
	s.compactions.mu.Unlock()
	return s, s.compactions
}

// chosen waits until Pebble has chosen a compaction that could not begin.
func chosen(t *testing.T, c *compactions) {
	t.Helper()
	for range 10_000 {
		if waits, _ := c.db.GetWaitingCompaction(); waits {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no compaction waits")
}
