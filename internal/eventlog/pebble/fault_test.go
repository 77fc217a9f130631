package pebble_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

func openLog(t *testing.T, opts pebble.Options) *eventlog.Log {
	t.Helper()
	store, err := pebble.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t *testing.T, l *eventlog.Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal("close:", err)
	}
}

// story returns n events of one room.
func story(n int) []event.Event {
	room := storetest.NewRoom("room", "RM_1")
	events := []event.Event{room.Start()}
	for len(events) < n {
		events = append(events, room.Join(), room.Publish(0))
		events = append(events, room.Leave(0)...)
	}
	return events[:n]
}

// The file operations of a run, one event a commit, are cut one by one: before
// each, the power goes.
func TestPowerCutBeforeEachFileOperation(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var synced atomic.Uint64
	type cut struct {
		fs     *vfs.MemFS
		synced uint64
		op     errorfs.Op
	}
	var cutsMu sync.Mutex
	var cuts []cut
	var ops atomic.Uint64
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			n := ops.Add(1)
			rng := rand.New(rand.NewPCG(n, 4))
			c := cut{synced: synced.Load(), op: op}
			c.fs = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(n%3) * 50, RNG: rng})
			cutsMu.Lock()
			cuts = append(cuts, c)
			cutsMu.Unlock()
		}
		return nil
	})
	const memTable = 8 << 10 // a few flushes within the run
	l := openLog(t, pebble.Options{Dir: "log", FS: errorfs.Wrap(mem, inject), MemTableSize: memTable})
	events := story(60)
	for _, e := range events {
		seq := l.Append(e)
		if err := l.Sync(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		synced.Store(seq)
	}
	closeLog(t, l)
	if len(cuts) < 2*len(events) {
		t.Fatalf("%d cuts in %d commits", len(cuts), len(events))
	}
	for _, c := range cuts {
		store, err := pebble.Open(pebble.Options{Dir: "log", FS: c.fs})
		if err != nil {
			t.Fatalf("cut before %v, %d durable: %v", c.op, c.synced, err)
		}
		l, err := eventlog.Open(eventlog.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		if l.Last() < c.synced {
			t.Errorf("cut before %v: %d was durable, the log ends at %d", c.op, c.synced, l.Last())
		}
		records := storetest.ReadAll(t, l)
		storetest.CheckOrder(t, records)
		for i, r := range records {
			if r.Name != events[i].Name || r.Identity != events[i].Participant.GetIdentity() {
				t.Fatalf("cut before %v: event %d is %s of %q", c.op, r.Seq, r.Name, r.Identity)
			}
		}
		closeLog(t, l)
	}
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

func TestFailedWriteEndsTheLogAndLosesNothingSynced(t *testing.T) {
	for _, test := range []struct {
		name  string
		errno syscall.Errno
		hit   func(errorfs.Op) bool
	}{
		{"disk full on a WAL write", syscall.ENOSPC, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log")
		}},
		{"failed WAL sync", syscall.EIO, func(op errorfs.Op) bool {
			return isSync(op) && strings.HasSuffix(op.Path, ".log")
		}},
		{"disk full on a new WAL", syscall.ENOSPC, func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		}},
		{"disk full on a new table", syscall.ENOSPC, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst")
		}},
		{"failed table sync", syscall.EIO, func(op errorfs.Op) bool {
			return isSync(op) && strings.HasSuffix(op.Path, ".sst")
		}},
		{"failed MANIFEST write", syscall.EROFS, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
		}},
		{"failed MANIFEST sync", syscall.EIO, func(op errorfs.Op) bool {
			return isSync(op) && strings.Contains(op.Path, "MANIFEST")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			var on atomic.Bool
			var hits atomic.Int64
			inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if !on.Load() || !test.hit(op) {
					return nil
				}
				hits.Add(1)
				return &os.PathError{Op: "test", Path: op.Path, Err: test.errno}
			})
			l := openLog(t, pebble.Options{Dir: "log", FS: errorfs.Wrap(mem, inject), MemTableSize: smallMemTable})
			ctx := context.Background()
			events := story(5000)
			var synced uint64
			var err error
			for i, e := range events {
				if i == 100 {
					on.Store(true)
				}
				seq := l.Append(e)
				if err = l.Sync(ctx, seq); err != nil {
					break
				}
				synced = seq
			}
			if !errors.Is(err, eventlog.ErrFailed) || !errors.Is(err, test.errno) {
				t.Fatalf("after %d hits: error %v, want ErrFailed and %v", hits.Load(), err, test.errno)
			}
			<-l.Failed()
			refused := l.Append(events[:10]...)
			if err := l.Sync(ctx, refused); !errors.Is(err, eventlog.ErrFailed) {
				t.Errorf("Sync of a refused event: %v", err)
			}
			if err := l.Wait(ctx, synced+1); !errors.Is(err, eventlog.ErrFailed) {
				t.Errorf("Wait: %v", err)
			}
			if _, err := l.Read(ctx, 0, 1); !errors.Is(err, eventlog.ErrFailed) {
				t.Errorf("Read: %v", err)
			}
			if err := l.Close(ctx); !errors.Is(err, test.errno) {
				t.Errorf("Close: %v", err)
			}
			// The process ends, the machine with it; the disk has room again.
			l = openLog(t, pebble.Options{Dir: "log", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
			defer closeLog(t, l)
			if l.Last() < synced {
				t.Fatalf("%d was durable, the log ends at %d", synced, l.Last())
			}
			storetest.CheckOrder(t, storetest.ReadAll(t, l))
		})
	}
}

func TestStoreInUseIsRefusedByName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	l := openLog(t, pebble.Options{Dir: dir})
	defer closeLog(t, l)
	_, err := pebble.Open(pebble.Options{Dir: dir})
	if !errors.Is(err, eventlog.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second open: %v, want ErrLocked naming %s", err, dir)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	closeLog(t, openLog(t, pebble.Options{Dir: "log", FS: mem}))
	raw(t, mem, func(db *cockroach.DB) {
		if err := db.Set([]byte("mf"), binary.AppendUvarint(nil, 2), cockroach.Sync); err != nil {
			t.Fatal(err)
		}
	})
	for range 2 { // and the refusal leaves the directory unlocked
		if _, err := pebble.Open(pebble.Options{Dir: "log", FS: mem}); !errors.Is(err, eventlog.ErrNewerFormat) {
			t.Fatalf("open: %v, want ErrNewerFormat", err)
		}
	}
}

// silent is a Pebble logger that says nothing.
type silent struct{}

func (silent) Infof(string, ...any)                   {}
func (silent) Errorf(string, ...any)                  {}
func (silent) Fatalf(format string, args ...any)      { panic(fmt.Sprintf(format, args...)) }
func (silent) Eventf(context.Context, string, ...any) {}
func (silent) IsTracingEnabled(context.Context) bool  { return false }

func raw(t *testing.T, fs vfs.FS, do func(*cockroach.DB)) {
	t.Helper()
	db, err := cockroach.Open("log", &cockroach.Options{FS: fs, FormatMajorVersion: cockroach.FormatValueSeparation,
		LoggerAndTracer: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	do(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// readPast reads the whole log, going on after each damaged record.
func readPast(t *testing.T, l *eventlog.Log) (records []event.Record, damaged []uint64) {
	t.Helper()
	for after := uint64(0); after < l.Last(); {
		rs, err := l.Read(context.Background(), after, eventlog.MaxRead)
		corrupt, ok := errors.AsType[*eventlog.CorruptError](err)
		switch {
		case ok && corrupt.Seq == after+1 && errors.Is(err, eventlog.ErrCorrupt):
			damaged = append(damaged, corrupt.Seq)
			after = corrupt.Seq
		case err != nil || len(rs) == 0:
			t.Fatalf("read after %d: %d records, %v", after, len(rs), err)
		default:
			records = append(records, rs...)
			after = rs[len(rs)-1].Seq
		}
	}
	return records, damaged
}

func TestDamagedRecordIsNamedAndTheRestIsServed(t *testing.T) {
	mem := vfs.NewMem()
	l := openLog(t, pebble.Options{Dir: "log", FS: mem})
	l.Append(story(50)...)
	closeLog(t, l)
	key := func(seq byte) []byte { return append([]byte("e"), 0, 0, 0, 0, 0, 0, 0, seq) }
	raw(t, mem, func(db *cockroach.DB) {
		for _, seq := range []byte{20, 50} {
			value, closer, err := db.Get(key(seq))
			if err != nil {
				t.Fatal(err)
			}
			value = bytes.Clone(value)
			closer.Close()
			value[len(value)/2] ^= 4
			if err := db.Set(key(seq), value, cockroach.Sync); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Delete(key(30), cockroach.Sync); err != nil {
			t.Fatal(err)
		}
	})
	l = openLog(t, pebble.Options{Dir: "log", FS: mem})
	defer closeLog(t, l)
	records, damaged := readPast(t, l)
	if len(records) != 47 || len(damaged) != 3 || damaged[0] != 20 || damaged[1] != 30 || damaged[2] != 50 {
		t.Fatalf("read %d records, damaged %v; want 47, [20 30 50]", len(records), damaged)
	}
	if _, err := l.ReadRoom(context.Background(), "room", 19, 1); !errors.Is(err, eventlog.ErrCorrupt) {
		t.Errorf("ReadRoom at a damaged record: %v", err)
	}
	if seq := l.Append(story(1)...); seq != 51 {
		t.Errorf("the next event gets Seq %d, want 51", seq)
	}
}

func TestDamagedTableFileIsDetected(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, pebble.Options{Dir: dir})
	l.Append(story(2000)...)
	closeLog(t, l)
	closeLog(t, openLog(t, pebble.Options{Dir: dir})) // what is in the WAL goes into a table
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/3] ^= 1
		if err := os.WriteFile(table, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l = openLog(t, pebble.Options{Dir: dir})
	defer closeLog(t, l)
	records, damaged := readPast(t, l)
	if len(damaged) == 0 || len(records)+len(damaged) != 2000 || len(records) < 1000 {
		t.Fatalf("read %d records, %d damaged; want 2000 in all, and most", len(records), len(damaged))
	}
	for _, r := range records {
		if w, err := r.Webhook(); err != nil || w.Id != r.ID {
			t.Fatalf("record %d: body %s, %v", r.Seq, r.Body, err)
		}
	}
}
