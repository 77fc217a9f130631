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
	path = filepath.Join(t.TempDir(), "wal")
	made, err := quietFS{vfs.Default}.Create(path, logCategory)
	if err != nil {
		t.Fatal(err)
	}
	f = made.(*quietFile)
	t.Cleanup(func() { _ = f.Close() })
	return f, path
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
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
				if got, err := os.ReadFile(path); !bytes.Equal(got, want) || err != nil {
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
		if got := mustRead(t, path); !bytes.Equal(got, want) {
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
			if err == nil && info.Size() != int64(len(want)) {
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
	if got := mustRead(t, path); string(got) != "onetwo" {
		t.Errorf("there is %q", got)
	}
}

// What fails at the kernel is what the sync returns, and ends the store.
func TestTheRingsFailureEndsTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		file func(t *testing.T) int32
		want error
	}{
		"write": {func(*testing.T) int32 { return -1 }, syscall.EBADF},
		"sync": {func(t *testing.T) int32 { // a pipe is written to, and not synced
			_, w := pipe(t)
			return w
		}, syscall.EINVAL},
		"short write": {func(t *testing.T) int32 {
			r, w := pipe(t)
			size, err := unix.FcntlInt(uintptr(r), unix.F_SETPIPE_SZ, 4096)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Write(int(w), make([]byte, size-4096)); err != nil {
				t.Fatal(err)
			}
			return w
		}, io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			var failed error
			fs := brittleFS{quietFS{vfs.Default}, func(err error) { failed = err; runtime.Goexit() }}
			f, err := fs.Create(filepath.Join(t.TempDir(), "wal"), logCategory)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(make([]byte, 5000)); err != nil {
				t.Fatal(err)
			}
			r, ok := f.(brittleFile).File.(*quietFile).kernel.(*ring)
			if !ok {
				ringHere(t, f.Fd())
				return
			}
			r.file = c.file(t)
			var wg sync.WaitGroup
			wg.Go(func() { _ = f.SyncData() })
			wg.Wait()
			if !errors.Is(failed, c.want) {
				t.Errorf("the store is told %v, want %v", failed, c.want)
			}
		})
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
