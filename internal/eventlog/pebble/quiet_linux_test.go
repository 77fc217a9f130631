package pebble

import (
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func createQuiet(t *testing.T) *quietFile {
	t.Helper()
	f, _ := createAs(t, vfs.WriteCategoryUnspecified)
	return f
}

func createAs(t *testing.T, category vfs.DiskWriteCategory) (f *quietFile, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "wal")
	made, err := quietFS{FS: vfs.Default}.Create(path, category)
	if err != nil {
		t.Fatal(err)
	}
	f = made.(*quietFile)
	t.Cleanup(func() { _ = f.Close() })
	return f, path
}

// quietHere says whether the system lets us have the kernel sync. A filter of system
// calls may not; then a thread syncs, which is checked in its place.
func quietHere(t *testing.T) bool {
	t.Helper()
	f := createQuiet(t)
	d, err := newDatasync(f.Fd())
	if err == nil {
		defer d.close()
		if begun, why := d.sync(0); !begun {
			err = why
		}
	}
	for _, refusal := range []error{syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EAGAIN, syscall.EOPNOTSUPP} {
		if errors.Is(err, refusal) {
			t.Log("the system does not let the kernel sync for us, so a thread does:", err)
			if err := f.SyncData(); err != nil || f.kernel != nil || !f.loud {
				t.Errorf("in its place: %v, loud: %t", err, f.loud)
			}
			return false
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func TestTheKernelSyncsData(t *testing.T) {
	if !quietHere(t) {
		return
	}
	var wg sync.WaitGroup
	for range 4 {
		f := createQuiet(t)
		wg.Go(func() {
			for range 8 {
				if _, err := f.Write([]byte("event")); err != nil {
					t.Error(err)
				}
				if err := f.SyncData(); err != nil {
					t.Error(err)
				}
			}
			if f.kernel == nil {
				t.Error("a thread waited for the disk")
			}
		})
	}
	wg.Wait()
}

func TestWhatTheKernelDoesNotTakeIsSyncedByAThread(t *testing.T) {
	if !quietHere(t) {
		return
	}
	f := createQuiet(t)
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	f.kernel.(*datasync).destroy()
	for range 2 {
		if _, err := f.Write([]byte("event")); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Error(err)
		}
		if f.kernel != nil || !f.loud {
			t.Error("the kernel is asked again")
		}
	}
}

// failing is a file that cannot be synced, and that the kernel does not know.
type failing struct{ vfs.File }

func (failing) Fd() uintptr     { return vfs.InvalidFd }
func (failing) SyncData() error { return syscall.EIO }

func TestFailureToSyncIsReported(t *testing.T) {
	if err := (&quietFile{File: failing{}}).SyncData(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a thread's failure becomes %v", err)
	}
	if err := (&ioEvent{result: -int64(syscall.EIO)}).err(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the kernel's failure becomes %v", err)
	}
}

// What the kernel says of a sync reaches the end of the log, as a thread's failure does.
func TestTheKernelsFailureEndsTheStore(t *testing.T) {
	if !quietHere(t) {
		return
	}
	for name, ending := range map[string]func(d *datasync) (uintptr, syscall.Errno){
		"the disk": func(d *datasync) (uintptr, syscall.Errno) {
			n, e := d.collect()
			d.result.result = -int64(syscall.EIO)
			return n, e
		},
		"the call": func(*datasync) (uintptr, syscall.Errno) { return ^uintptr(0), syscall.EIO },
	} {
		failed := errors.New("went on")
		fs := brittleFS{quietFS{FS: vfs.Default}, func(err error) { failed = err; runtime.Goexit() }}
		f, err := fs.Create(filepath.Join(t.TempDir(), "wal"), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
		d := f.(brittleFile).File.(*quietFile).kernel.(*datasync)
		d.ending = func() (uintptr, syscall.Errno) { return ending(d) }
		var wg sync.WaitGroup
		wg.Go(func() { _ = f.SyncData() })
		wg.Wait()
		if !errors.Is(failed, syscall.EIO) {
			t.Errorf("%s fails: %v", name, failed)
		}
		_ = f.Close()
	}
}
