package pebble

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// quietFS is the machine's file system, with writes and syncs of the log that no thread
// waits for.
//
// A thread that waits for the disk, or may have to, is announced to Go's scheduler, which
// wakes its watchdog to look, every 20 µs, whether the thread's processor should be given
// to another. For a log that is synced some times for each participant that was a tenth
// of all that a join costs.
type quietFS struct {
	vfs.FS
	lacks func(why error) // told why a log is not written in the best way; nil: nobody is
}

func (q quietFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return q.file(f, category), nil
}

func (q quietFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := q.FS.ReuseForWrite(oldname, newname, category)
	if err != nil {
		return nil, err
	}
	return q.file(f, category), nil
}

// Unwrap gives Pebble the file system beneath, see vfs.Root.
func (q quietFS) Unwrap() vfs.FS { return q.FS }

// quietFile is a file of quietFS. What is written to the log waits for its sync in the
// process: until then it promises nothing, and Pebble reads no log that it writes.
type quietFile struct {
	vfs.File
	log   bool        // immutable
	lacks func(error) // immutable; see quietFS

	mu     sync.Mutex
	kernel syncer // mu guards; nil until the first use, and where there is none
	loud   bool   // mu guards; there is none
	at     int64  // mu guards; where a log goes on, what is kept comes after that
}

// syncer has the kernel sync a file.
type syncer interface {
	// sync writes what is kept to a place in the file, and syncs its data; who calls takes
	// it then. begun is false if the kernel does not do that: then nothing is synced.
	sync(at int64) (begun bool, err error)

	// keep has b written by the next sync, if there is room for it.
	keep(b []byte) bool

	// take returns what is kept, which is no more.
	take() []byte

	close()
}

// logCategory is what Pebble writes its log as.
const logCategory = "pebble-wal"

func (q quietFS) file(f vfs.File, category vfs.DiskWriteCategory) *quietFile {
	return &quietFile{File: f, log: category == logCategory, lacks: q.lacks}
}

// ready makes the syncer, once.
//
// requires f.mu
func (f *quietFile) ready() {
	if f.kernel != nil || f.loud {
		return
	}
	var lack error
	f.kernel, lack = newSyncer(f.Fd(), f.log)
	f.loud = f.kernel == nil
	if lack != nil && f.log && f.lacks != nil {
		f.lacks(lack)
	}
}

// Write implements io.Writer.
func (f *quietFile) Write(b []byte) (int, error) {
	if !f.log {
		return f.File.Write(b)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready()
	if f.kernel != nil && f.kernel.keep(b) {
		return len(b), nil
	}
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.write(b)
}

// flush writes what is kept.
//
// requires f.mu
func (f *quietFile) flush() error {
	if f.kernel == nil {
		return nil
	}
	_, err := f.write(f.kernel.take())
	return err
}

// write writes to a log.
//
// requires f.mu
func (f *quietFile) write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := f.File.WriteAt(b, f.at)
	f.at += int64(n)
	return n, err
}

// SyncData returns when what was written is on the disk.
func (f *quietFile) SyncData() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready()
	if f.kernel != nil {
		if begun, err := f.kernel.sync(f.at); begun {
			f.at += int64(len(f.kernel.take()))
			return err
		}
		if err := f.end(); err != nil {
			return err
		}
	}
	return f.File.SyncData()
}

// end has threads write and sync from then on.
//
// requires f.mu
func (f *quietFile) end() error {
	err := f.flush()
	if f.kernel != nil {
		f.kernel.close()
	}
	f.kernel, f.loud = nil, true
	return err
}

// Close implements io.Closer.
func (f *quietFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.end(), f.File.Close())
}

// written calls with all in the file that was written to it.
func (f *quietFile) written(call func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.flush(); err != nil {
		return err
	}
	return call()
}

// Sync implements vfs.File.
func (f *quietFile) Sync() error { return f.written(f.File.Sync) }

// SyncTo implements vfs.File.
func (f *quietFile) SyncTo(length int64) (fullSync bool, err error) {
	err = f.written(func() (err error) {
		fullSync, err = f.File.SyncTo(length)
		return err
	})
	return fullSync, err
}

// Read implements vfs.File.
func (f *quietFile) Read(b []byte) (n int, err error) {
	err = f.written(func() (err error) {
		n, err = f.File.Read(b)
		return err
	})
	return n, err
}

// ReadAt implements vfs.File.
func (f *quietFile) ReadAt(b []byte, offset int64) (n int, err error) {
	err = f.written(func() (err error) {
		n, err = f.File.ReadAt(b, offset)
		return err
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f *quietFile) WriteAt(b []byte, offset int64) (n int, err error) {
	err = f.written(func() (err error) {
		n, err = f.File.WriteAt(b, offset)
		return err
	})
	return n, err
}

// Stat implements vfs.File.
func (f *quietFile) Stat() (info vfs.FileInfo, err error) {
	err = f.written(func() (err error) {
		info, err = f.File.Stat()
		return err
	})
	return info, err
}
