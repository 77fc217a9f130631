package egress

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// reserve makes the directory of a file, and returns its absolute path: one that is
// not in use yet, as far as used says of a path, and that no job has. The job lets
// go of it when it ends.
func (s *Service) reserve(j *job, name, ext string, used func(at string) bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(name string) string { return filepath.Join(s.opts.Directory, filepath.FromSlash(name)) }
	name = freeName(name, ext, func(name string) bool { return s.paths[at(name)] || used(at(name)) })
	if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
		if errors.Is(err, syscall.ENOTDIR) && isDir(s.opts.Directory) { // of an earlier recording
			return "", refuse(InvalidArgument, "filepath %.64q has a file where it wants a directory", name)
		}
		s.opts.Logger.Error("make the directory of a recording", "error", err)
		return "", refuse(Internal, "cannot write into the directory of recordings")
	}
	s.paths[at(name)] = true
	j.names = append(j.names, at(name))
	return at(name), nil
}

func isDir(at string) bool {
	info, err := os.Stat(at)
	return err == nil && info.IsDir()
}

func isThere(at string) bool {
	_, err := os.Lstat(at)
	return err == nil
}

// reserveSegments reserves all names of segments, and of their headers, that begin
// with a prefix, and returns how they begin.
func (s *Service) reserveSegments(j *job, prefix string) (string, error) {
	const first = "_init.mp4" // stands for all
	numbered := numberedFiles(".ts", ".m4s")
	at, err := s.reserve(j, prefix+first, first, func(at string) bool {
		return isThere(at) || numbered(strings.TrimSuffix(at, first))
	})
	return strings.TrimSuffix(at, first), err
}

// reserveImages reserves all names of images that begin with a prefix, and returns
// how they begin. One that is to be overwritten may be there.
func (s *Service) reserveImages(j *job, prefix string, overwrite bool) (string, error) {
	first, used := "_00000"+wire.ImageExt, numberedFiles(wire.ImageExt)
	if overwrite {
		first, used = wire.ImageExt, func(string) bool { return false }
	}
	at, err := s.reserve(j, prefix+first, first, func(at string) bool { return used(strings.TrimSuffix(at, first)) })
	return strings.TrimSuffix(at, first), err
}

// numberedFiles says of prefixes in one directory whether there are files whose
// names go on with _, a number or a time, and one of these extensions. It reads the
// directory once.
func numberedFiles(exts ...string) func(prefix string) bool {
	var begins map[string]bool
	return func(prefix string) bool {
		if begins == nil {
			begins = make(map[string]bool)
			files, _ := os.ReadDir(filepath.Dir(prefix)) // there is none yet, or making a file says what is wrong
			for _, f := range files {
				for _, ext := range exts {
					base, found := strings.CutSuffix(f.Name(), ext)
					bare := strings.TrimRight(base, "0123456789")
					if found && len(bare) < len(base) && strings.HasSuffix(bare, "_") {
						begins[strings.TrimSuffix(bare, "_")] = true
					}
				}
			}
		}
		return begins[filepath.Base(prefix)]
	}
}
