package pebble_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// cutsOf returns what may be on the disk if the power goes before each operation that
// writes while a new store is opened in dir: three, for each.
func cutsOf(t *testing.T, fs *vfs.MemFS, dir string, seed uint64) (cuts []*vfs.MemFS, ops []errorfs.Op) {
	t.Helper()
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 6))
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			for _, percent := range []int{0, 50, 100} {
				cuts = append(cuts, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
				ops = append(ops, op)
			}
		}
		return nil
	})
	store, err := pebble.Open(pebble.Options{Dir: dir, FS: errorfs.Wrap(fs, inject)})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	n := len(cuts)
	mu.Unlock()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return cuts[:n], ops[:n]
}

// A store that was being made when the power went is made by the next start, also if
// the power goes then once more.
func TestStoreWhoseCreationWasCutIsMadeAnew(t *testing.T) {
	cuts, ops := cutsOf(t, vfs.NewCrashableMem(), "log", 1)
	if len(cuts) < 30 {
		t.Fatalf("%d cuts", len(cuts))
	}
	for i, cut := range cuts {
		var again []*vfs.MemFS
		var opsAgain []errorfs.Op
		if i%60 == 30 {
			again, opsAgain = cutsOf(t, cut.CrashClone(vfs.CrashCloneCfg{}), "log", 2)
		}
		wantStore(t, cut, "log", ops[i])
		for j, cut := range again {
			wantStore(t, cut, "log", ops[i], opsAgain[j])
		}
	}
}

// wantStore opens the store, and has what is committed then outlive the next cut.
func wantStore(t *testing.T, fs *vfs.MemFS, dir string, ops ...errorfs.Op) {
	t.Helper()
	store, err := pebble.Open(pebble.Options{Dir: dir, FS: fs})
	if err != nil {
		t.Fatalf("cut before %v: %v", ops, err)
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		t.Fatalf("cut before %v: %v", ops, err)
	}
	if err := l.Sync(t.Context(), l.Append(story(3)...)); err != nil {
		t.Fatal(err)
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	closeLog(t, l)
	l = openLog(t, pebble.Options{Dir: dir, FS: after})
	defer closeLog(t, l)
	if l.Last() != 3 {
		t.Errorf("cut before %v, then 3 durable: the log ends at %d", ops, l.Last())
	}
	storetest.CheckOrder(t, storetest.ReadAll(t, l))
}

// Directories that are made for the store last as it does.
func TestDirectoriesAboveTheStoreOutliveAPowerCut(t *testing.T) {
	wantStore(t, vfs.NewCrashableMem(), "var/lib/rollcall/events")
}

// An operator may have made the directory, and mounted a disk there: it is used as it
// is, with what else is in it.
func TestDirectoryThatIsThereIsUsedAsItIs(t *testing.T) {
	mem := vfs.NewCrashableMem()
	for _, dir := range []string{"events", "events/lost+found"} {
		if err := mem.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, err := mem.Create("events/README", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "events"} {
		d, err := mem.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	cuts, ops := cutsOf(t, mem, "events", 7)
	for i, cut := range cuts {
		wantStore(t, cut, "events", ops[i])
		names, err := cut.List("events")
		if err != nil || !slices.Contains(names, "README") || !slices.Contains(names, "lost+found") {
			t.Errorf("cut before %v: %v, %v", ops[i], names, err)
		}
	}
}

// Nothing is taken for the leftover of a creation that is not: what is damaged stays for
// who can mend it.
func TestWhatIsLeftOfAStoreIsNotRemoved(t *testing.T) {
	mem := vfs.NewMem()
	l := openLog(t, pebble.Options{Dir: "log", FS: mem})
	l.Append(story(20)...)
	closeLog(t, l)
	list := func() []string {
		names, err := mem.List("log")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		return names
	}
	for _, name := range list() {
		if strings.HasPrefix(name, "MANIFEST") {
			if err := mem.Remove(mem.PathJoin("log", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := list()
	for range 2 {
		if _, err := pebble.Open(pebble.Options{Dir: "log", FS: mem}); !errors.Is(err, eventlog.ErrDamaged) {
			t.Errorf("open: %v", err)
		}
	}
	if after := list(); !slices.Equal(before, after) {
		t.Errorf("there are %v, there were %v", after, before)
	}
}
