package pebble

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// ringHere returns a ring for a descriptor, or nil where the system does not let us have
// one: a filter of system calls may not, and an old kernel lacks what we ask.
func ringHere(t *testing.T, fd uintptr) *ring {
	t.Helper()
	r, err := newRing(fd)
	for _, refusal := range []error{syscall.ENOSYS, syscall.EPERM, syscall.EACCES, errors.ErrUnsupported} {
		if errors.Is(err, refusal) {
			t.Log("the system does not let the kernel write for us:", err)
			return nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// createLog makes a file that is written to as Pebble's log is.
func createLog(t *testing.T) (f *quietFile, path string) {
	t.Helper()
	return createAs(t, logCategory)
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// holds reports whether a log has what was written to it, and no more than zeros after it.
func holds(got, want []byte) bool {
	return bytes.HasPrefix(got, want) && len(bytes.Trim(got[len(want):], "\x00")) == 0
}

func TestTheLogIsWrittenByItsSync(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		f, path := createLog(t)
		wg.Go(func() {
			var want []byte
			for i := range 64 {
				for j := range i % 4 {
					b := bytes.Repeat([]byte{byte(i), byte(j)}, 1+i*7)
					if n, err := f.Write(b); n != len(b) || err != nil {
						t.Errorf("wrote %d of %d: %v", n, len(b), err)
					}
					want = append(want, b...)
				}
				if err := f.SyncData(); err != nil { // also of nothing
					t.Error(err)
				}
				if got, err := os.ReadFile(path); !holds(got, want) || err != nil {
					t.Errorf("after sync %d there are %d bytes of %d, %v", i, len(got), len(want), err)
				}
			}
		})
	}
	wg.Wait()
}

// What is written waits for its sync, and nothing overtakes it.
func TestWhatTheLogKeepsIsWrittenInItsOrder(t *testing.T) {
	f, path := createLog(t)
	whole := bytes.Repeat([]byte("whole"), ringKeeps) // more than is kept
	var want []byte
	write := func(b []byte) {
		t.Helper()
		if n, err := f.Write(b); n != len(b) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(b), err)
		}
		want = append(want, b...)
	}
	there := func(what string) {
		t.Helper()
		if got := mustRead(t, path); !holds(got, want) {
			t.Errorf("after %s there are %d bytes of %d", what, len(got), len(want))
		}
	}
	write([]byte("kept"))
	if _, ok := f.kernel.(*ring); ok && len(mustRead(t, path)) != 0 {
		t.Error("what could wait was written")
	}
	write(whole)
	there("more than is kept")
	for what, call := range map[string]func() error{
		"Sync": f.Sync,
		"SyncTo": func() error {
			_, err := f.SyncTo(3)
			return err
		},
		"Stat": func() error {
			info, err := f.Stat()
			if err == nil && (info.Size() < int64(len(want)) || info.Size() >= int64(len(want)+ringGrows)) {
				t.Errorf("Stat says %d bytes of %d", info.Size(), len(want))
			}
			return err
		},
		"ReadAt": func() error {
			b := make([]byte, 4)
			_, err := f.ReadAt(b, int64(len(want)-4))
			if err == nil && string(b) != "kept" {
				t.Errorf("read %q", b)
			}
			return err
		},
		"SyncData": f.SyncData,
	} {
		write([]byte("kept"))
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		there(what)
	}
	for range 2*ringKeeps/1000 + 2 { // the last that fits, and the first that does not
		write(whole[:1000])
	}
	write([]byte("kept"))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	there("Close")
}

// A file is written to and synced as by threads where the kernel does not do that, be it
// from the beginning or from then on.
func TestALogThatTheKernelDoesNotTakeAnyMore(t *testing.T) {
	f, path := createLog(t)
	if _, err := f.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	r, ok := f.kernel.(*ring)
	if !ok {
		ringHere(t, f.Fd()) // says why
		return
	}
	r.fd = ^uintptr(0)
	if err := f.SyncData(); err != nil {
		t.Errorf("the sync that is not taken: %v", err)
	}
	if f.kernel != nil || !f.loud {
		t.Error("the kernel is asked again")
	}
	if _, err := f.Write([]byte("two")); err != nil {
		t.Error(err)
	}
	if err := f.SyncData(); err != nil {
		t.Error(err)
	}
	if got := mustRead(t, path); !holds(got, []byte("onetwo")) {
		t.Errorf("there is %q", got)
	}
}

// What the kernel does not write, threads do, at its place.
func TestWhatTheRingDoesNotWriteThreadsDo(t *testing.T) {
	for name, file := range map[string]func(t *testing.T) int32{
		"nothing": func(*testing.T) int32 { return -1 },
		"a part": func(t *testing.T) int32 {
			r, w := pipe(t)
			if _, err := unix.FcntlInt(uintptr(r), unix.F_SETPIPE_SZ, 4096); err != nil {
				t.Fatal(err)
			}
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, path := createLog(t)
			var want []byte
			for i := range 3 {
				b := bytes.Repeat([]byte{byte('a' + i)}, 100<<10/3)
				want = append(want, b...)
				if _, err := f.Write(b); err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					r, ok := f.kernel.(*ring)
					if !ok {
						ringHere(t, f.Fd())
						return
					}
					r.file = file(t)
				}
				if err := f.SyncData(); err != nil {
					t.Fatal(err)
				}
			}
			if !f.loud {
				t.Error("the kernel has written")
			}
			if got := mustRead(t, path); !holds(got, want) {
				t.Errorf("there are %d bytes of %d", len(got), len(want))
			}
		})
	}
}

// A sync that fails at the kernel ends the store.
func TestTheRingsFailureEndsTheStore(t *testing.T) {
	var failed error
	fs := brittleFS{quietFS{FS: vfs.Default}, func(err error) { failed = err; runtime.Goexit() }}
	f, err := fs.Create(filepath.Join(t.TempDir(), "wal"), logCategory)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	r, ok := f.(brittleFile).File.(*quietFile).kernel.(*ring)
	if !ok {
		ringHere(t, f.Fd())
		return
	}
	_, r.file = pipe(t) // which cannot be synced
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.SyncData() })
	wg.Wait()
	if !errors.Is(failed, syscall.EINVAL) {
		t.Errorf("the store is told %v", failed)
	}
}

// Some file systems write behind the kernel's back, and leave the position where it was.
func TestTheRingWritesWhereTheLogGoesOn(t *testing.T) {
	f, path := createLog(t)
	const block = 4096
	if err := os.WriteFile(path, make([]byte, 2*block), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := f.Write(bytes.Repeat([]byte{byte('a' + i)}, block)); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Seek(int(f.Fd()), 0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if got := mustRead(t, path); len(got) != 2*block || got[0] != 'a' || got[block] != 'b' {
		t.Errorf("%d bytes, which begin with %q and %q", len(got), got[0], got[block])
	}
}

// A log becomes longer in steps, and one that is long enough does not.
func TestTheLogGrowsInSteps(t *testing.T) {
	f, path := createLog(t)
	b := bytes.Repeat([]byte("log."), 700)
	write := func() {
		t.Helper()
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if _, ok := f.kernel.(*ring); !ok {
		ringHere(t, f.Fd())
		return
	}
	sizes := map[int]bool{}
	for range 40 {
		write()
		sizes[len(mustRead(t, path))] = true
	}
	steps := 41*len(b)/ringGrows + 1
	if len(sizes) != steps || !sizes[steps*ringGrows] {
		t.Errorf("with %d bytes of log the file has had the sizes %v, want %d of them", 41*len(b), sizes, steps)
	}
	whole := mustRead(t, path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := quietFS{FS: vfs.Default}.ReuseForWrite(path, path+"2", logCategory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	f, b = again.(*quietFile), []byte("new")
	write()
	copy(whole, b)
	if got := mustRead(t, path+"2"); !bytes.Equal(got, whole) {
		t.Errorf("a log that is used again has %d bytes, which begin with %.8q and end with %q; want %d", len(got), got, got[len(got)-4:], len(whole))
	}
}

// What is shared with the kernel is as large as it says, which old kernels insist on.
func TestTheRingMapsWhatThereIs(t *testing.T) {
	f, _ := createLog(t)
	r := ringHere(t, f.Fd())
	if r == nil {
		return
	}
	defer r.close()
	if len(r.requests) != ringSize*sqeSize || len(r.queues) > 1024 || r.begun.mask != ringSize-1 || r.ended.mask != 2*ringSize-1 {
		t.Errorf("%d bytes of requests, %d of queues, masks %d and %d", len(r.requests), len(r.queues), r.begun.mask, r.ended.mask)
	}
}

// pipe makes one that does not block.
func pipe(t *testing.T) (r, w int32) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(ends[0]), unix.Close(ends[1]) })
	return int32(ends[0]), int32(ends[1])
}

// A sync costs a call and a wait, and nothing that Go collects.
func TestALogIsSyncedWithoutAllocations(t *testing.T) {
	f, _ := createLog(t)
	b := make([]byte, 1000)
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.kernel.(*ring); !ok {
		ringHere(t, f.Fd())
		return
	}
	if n := testing.AllocsPerRun(50, func() {
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
