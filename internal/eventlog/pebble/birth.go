package pebble

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// unborn is a file that says that nothing in its directory counts yet. Pebble makes its
// first files one by one and syncs some together: power that fails meanwhile can leave
// one that names another without that, which is damage. So the file is there, durably,
// before the first of them, and goes when all are durable.
//
// A directory beside, renamed in the end, would not do: the one that is asked for may
// be there, with a file system mounted on it.
const unborn = "UNBORN"

// storeFile matches what Pebble calls its files, but for the lock.
var storeFile = regexp.MustCompile(`^(\d+(-\d+)?\.(log|sst|blob)|(MANIFEST|OPTIONS|REMOTE-OBJ-CATALOG)-\d+|CURRENT|marker\..+|.+\.dbtmp)$`)

// expect readies dir for Pebble and says whether the store in it will be a new one. It
// removes what is left of one that was never finished. The caller holds the lock.
func expect(fsys vfs.FS, dir string) (isNew bool, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return false, err
	}
	begun := slices.Contains(names, unborn)
	files := slices.DeleteFunc(names, func(name string) bool { return !storeFile.MatchString(name) })
	if !begun {
		if len(files) > 0 {
			return false, nil
		}
		f, err := fsys.Create(fsys.PathJoin(dir, unborn), vfs.WriteCategoryUnspecified)
		if err != nil {
			return false, err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return false, err
		}
	}
	for _, name := range files {
		if err := fsys.Remove(fsys.PathJoin(dir, name)); err != nil {
			return false, err
		}
	}
	return true, syncDir(fsys, dir)
}

// born says that the store in dir is whole and counts from now on.
func born(fsys vfs.FS, dir string) error {
	if err := fsys.Remove(fsys.PathJoin(dir, unborn)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// makeDir makes dir, durably with those above it that do not exist.
func makeDir(fsys vfs.FS, dir string) error {
	var parents []string // of what is made
	for d := dir; ; d = parents[len(parents)-1] {
		if _, err := fsys.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break // there, or a reason to fail below
		}
		parents = append(parents, fsys.PathDir(d))
	}
	if err := fsys.MkdirAll(fsys.PathDir(dir), 0o755); err != nil {
		return err
	}
	// Who may read it reads the secrets of endpoints.
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := syncDir(fsys, parent); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
