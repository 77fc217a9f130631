package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// quietFS is the machine's file system, with syncs of data that no thread waits for.
//
// A thread that waits for the disk is announced to Go's scheduler, which wakes its
// watchdog to look, every 20 µs, whether the thread's processor should be given to
// another. For a log that is synced some times for each participant that was a tenth
// of all that a join costs.
type quietFS struct{ vfs.FS }

func (q quietFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &quietFile{File: f}, nil
}

func (q quietFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.ReuseForWrite(oldname, newname, category)
	if err != nil {
		return nil, err
	}
	return &quietFile{File: f}, nil
}

// Unwrap gives Pebble the file system beneath, see vfs.Root.
func (q quietFS) Unwrap() vfs.FS { return q.FS }

type quietFile struct {
	vfs.File

	mu     sync.Mutex
	kernel *datasync // mu guards; nil until the first sync, and where there is none
	loud   bool      // mu guards; there is none
}

// SyncData returns when what was written is on the disk.
func (f *quietFile) SyncData() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kernel == nil && !f.loud {
		var err error
		f.kernel, err = newDatasync(f.Fd())
		f.loud = err != nil
	}
	if f.kernel != nil {
		if begun, err := f.kernel.sync(); begun {
			return err
		}
		f.kernel.close()
		f.kernel, f.loud = nil, true
	}
	return f.File.SyncData()
}

func (f *quietFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kernel != nil {
		f.kernel.close()
	}
	f.kernel, f.loud = nil, true
	return f.File.Close()
}
