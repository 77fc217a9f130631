package worker

import (
	"bufio"
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unload gives back what starting has touched of the program's file: code and
// constants, of most of which a worker needs nothing again. The kernel keeps them for
// all, and maps anew, a piece at a time, what is used. Only what is mapped read-only
// and has never been written to is given back: all of it is in the file. What cannot be
// given back stays.
func unload() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range clean(smaps, program) {
		// By its number, as no pointer of ours is meant.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// never are the flags of mappings that stay: writable, locked, or no pages of a file.
var never = []string{"wr", "lo", "ht", "io", "pf"}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// clean finds the mappings of a file that are read-only, and of which no page differs
// from it (proc_pid_smaps(5)): such a page is anonymous, or swapped. Those that are dirty
// are the file's own that were written a moment ago.
func clean(smaps []byte, path string) (found []mapping) {
	var open *mapping         // the one that is read, if it may be one
	same := map[string]bool{} // its fields that are 0
	take := func() {
		if open != nil && same["Anonymous"] && same["Swap"] {
			found = append(found, *open)
		}
		clear(same)
	}
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		name, isField := strings.CutSuffix(words[0], ":")
		if !isField { // the head of the next
			take()
			open = head(words, path)
			continue
		}
		if len(words) > 1 {
			same[name] = words[1] == "0"
		}
		if name == "VmFlags" && slices.ContainsFunc(words[1:], func(flag string) bool { return slices.Contains(never, flag) }) {
			open = nil
		}
	}
	take()
	return found
}

// head reads the first line of a mapping: nil unless it is of that file, private, and
// read-only.
func head(words []string, path string) *mapping {
	if len(words) < 6 || strings.Join(words[5:], " ") != path || words[1] != "r-xp" && words[1] != "r--p" {
		return nil
	}
	from, to, _ := strings.Cut(words[0], "-")
	m := new(mapping)
	for _, end := range []struct {
		at   *uintptr
		text string
	}{{&m.from, from}, {&m.to, to}} {
		n, err := strconv.ParseUint(end.text, 16, strconv.IntSize)
		if err != nil {
			return nil
		}
		*end.at = uintptr(n)
	}
	if m.to <= m.from {
		return nil
	}
	return m
}
