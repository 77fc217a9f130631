package pebble

import (
	"errors"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func createQuiet(t *testing.T) *quietFile {
	t.Helper()
	f, err := quietFS{vfs.Default}.Create(filepath.Join(t.TempDir(), "wal"), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f.(*quietFile)
}

func TestTheKernelSyncsData(t *testing.T) {
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
	f := createQuiet(t)
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	f.kernel.destroy()
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
