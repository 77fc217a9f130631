package pebble_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// lastGroup is how many events are committed together here.
const lastGroup = 20

// A flipped bit in any file, wherever in it, is met in one of two ways: the log
// does not open and says which file or what is damaged, or it opens and serves
// what is whole, each event as it was, and names each that it cannot.
func TestFlippedBitIsNeverServedAndNeverHidden(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	fresh := func() (*vfs.MemFS, []event.Record) {
		mem := vfs.NewCrashableMem()
		l := openLog(t, pebble.Options{Dir: "log", FS: mem, MemTableSize: smallMemTable})
		for events := story(400); len(events) > 0; events = events[lastGroup:] {
			l.Append(events[:lastGroup]...)
			wantSynced(t, l)
		}
		records := storetest.ReadAll(t, l)
		// It dies with a WAL, as after a kill: nothing is tidied up.
		survives := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
		closeLog(t, l)
		return survives, records
	}
	base, records := fresh()
	if got := meet(t, goingOn(t, base, rng), records, "a log that goes on with zeros"); got != "harmless" {
		t.Errorf("a log that goes on with zeros is %s", got)
	}
	files, err := base.List("log")
	if err != nil {
		t.Fatal(err)
	}
	tally := map[string]int{}
	for _, name := range files {
		path := base.PathJoin("log", name)
		size := fileSize(t, base, path)
		if size == 0 || name == "LOCK" {
			continue
		}
		flips := 6
		if testing.Short() {
			flips = 2
		}
		for range flips {
			at, bit := rng.Int64N(size), rng.IntN(8)
			damaged := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
			if bit%2 == 0 {
				damaged = goingOn(t, base, rng)
			}
			flip(t, damaged, path, at, bit)
			what := fmt.Sprintf("%s, bit %d of byte %d of %d", name, bit, at, size)
			tally[kindOf(name)+": "+meet(t, damaged, records, what)]++
		}
	}
	t.Log(tally)
}

// goingOn is a copy whose logs have zeros at their ends, as when the kernel writes them.
func goingOn(t *testing.T, base *vfs.MemFS, rng *rand.Rand) *vfs.MemFS {
	t.Helper()
	fs := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
	files, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		path := fs.PathJoin("log", name)
		f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		const step = 32 << 10
		size := fileSize(t, fs, path)
		if _, err := f.WriteAt(make([]byte, step-size%step), size); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

// Lines of the options that run into each other make options that nobody has set.
func TestOptionsWithoutALineEndAreDamaged(t *testing.T) {
	mem := vfs.NewCrashableMem()
	l := openLog(t, pebble.Options{Dir: "log", FS: mem})
	l.Append(story(lastGroup)...)
	wantSynced(t, l)
	records := storetest.ReadAll(t, l)
	closeLog(t, l)
	files, err := mem.List("log")
	if err != nil {
		t.Fatal(err)
	}
	rng, tally := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	for _, name := range files {
		if !strings.HasPrefix(name, "OPTIONS") {
			continue
		}
		path := mem.PathJoin("log", name)
		for at := range fileSize(t, mem, path) {
			if byteAt(t, mem, path, at) != '\n' {
				continue
			}
			damaged := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
			flip(t, damaged, path, at, 7)
			tally[meet(t, damaged, records, fmt.Sprintf("%s, end of line at %d", name, at))]++
		}
	}
	if t.Log(tally); tally["refused"] == 0 {
		t.Error("nothing is refused")
	}
}

func byteAt(t *testing.T, fs vfs.FS, path string, at int64) byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	return b[0]
}

func kindOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && !strings.HasPrefix(name, "marker") {
		return name[i:]
	}
	name, _, _ = strings.Cut(name, "-")
	return strings.TrimRight(name, "0123456789.")
}

// meet opens a damaged log and says how the damage was met.
func meet(t *testing.T, fs vfs.FS, want []event.Record, what string) string {
	t.Helper()
	store, err := pebble.Open(pebble.Options{Dir: "log", FS: fs})
	if err != nil {
		if !strings.Contains(err.Error(), "open event store in log") || !errors.Is(err, eventlog.ErrDamaged) {
			t.Errorf("%s: refused, and not as damaged: %v", what, err)
		}
		return "refused"
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		if !errors.Is(err, eventlog.ErrDamaged) {
			t.Errorf("%s: refused, and not as damaged: %v", what, err)
		}
		if cerr := store.Close(); cerr != nil {
			t.Errorf("%s: close: %v", what, cerr)
		}
		return "refused"
	}
	defer l.Close(t.Context())
	// The end of the newest WAL is the one place where damage looks like a write
	// that the power cut short: what is lost there is the last group, or part of it.
	if strings.Contains(what, ".log, ") && l.Last() >= uint64(len(want)-lastGroup) {
		want = want[:l.Last()]
	}
	if l.Last() < uint64(len(want)) {
		t.Errorf("%s: the log opens and ends at %d of %d", what, l.Last(), len(want))
		return "LOST"
	}
	got, damaged := readPast(t, l)
	for _, r := range got {
		if w := want[r.Seq-1]; r.ID != w.ID || string(r.Body) != string(w.Body) || r.RoomSeq != w.RoomSeq || r.Name != w.Name {
			t.Errorf("%s: event %d is served as %+v", what, r.Seq, r)
			return "SERVED"
		}
	}
	if len(damaged) > 0 {
		return "named"
	}
	return "harmless"
}

func wantSynced(t *testing.T, l *eventlog.Log) {
	t.Helper()
	if err := l.Sync(t.Context(), l.Append()); err != nil {
		t.Fatal(err)
	}
}

func fileSize(t *testing.T, fs vfs.FS, path string) int64 {
	t.Helper()
	info, err := fs.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, fs vfs.FS, path string, at int64, bit int) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// A disk that was mounted read-only is a refusal with a reason, not a panic and
// not a server without a log.
func TestReadOnlyDiskIsRefusedByName(t *testing.T) {
	mem := vfs.NewMem()
	closeLog(t, openLog(t, pebble.Options{Dir: "log", FS: mem}))
	readOnly := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return &os.PathError{Op: "open", Path: op.Path, Err: syscall.EROFS}
		}
		return nil
	}))
	_, err := pebble.Open(pebble.Options{Dir: "log", FS: readOnly})
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "log") {
		t.Errorf("open on a read-only disk: %v", err)
	}
	// A directory that nobody may write to is the same, on a real disk.
	if os.Geteuid() != 0 {
		dir := filepath.Join(t.TempDir(), "sealed")
		if err := os.Mkdir(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		if _, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "events")}); !errors.Is(err, os.ErrPermission) {
			t.Errorf("open in a sealed directory: %v", err)
		}
	}
}
