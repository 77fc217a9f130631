package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// brittleFS is a file system on which the first failure to write is the last:
// it is reported, and its caller never returns. Left alone, Pebble would repeat
// some of them, and some it answers with a panic that takes the process along.
type brittleFS struct {
	vfs.FS
	fail func(error)
}

// must returns only if there is no error.
func (b brittleFS) must(err error) {
	if err != nil {
		b.fail(err)
		select {}
	}
}

func (b brittleFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := b.FS.Create(name, category)
	b.must(err)
	return brittleFile{f, b}, nil
}

func (b brittleFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := b.FS.ReuseForWrite(oldname, newname, category)
	b.must(err)
	return brittleFile{f, b}, nil
}

func (b brittleFS) OpenDir(name string) (vfs.File, error) {
	f, err := b.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return brittleFile{f, b}, nil
}

// Unwrap gives Pebble the file system beneath, see vfs.Root.
func (b brittleFS) Unwrap() vfs.FS { return b.FS }

type brittleFile struct {
	vfs.File
	fs brittleFS
}

func (f brittleFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.fs.must(err)
	return n, nil
}

func (f brittleFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	f.fs.must(err)
	return n, nil
}

func (f brittleFile) Sync() error {
	f.fs.must(f.File.Sync())
	return nil
}

func (f brittleFile) SyncData() error {
	f.fs.must(f.File.SyncData())
	return nil
}

func (f brittleFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	f.fs.must(err)
	return fullSync, nil
}
