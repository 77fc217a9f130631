package pebble

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

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
