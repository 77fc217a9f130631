package wire

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
)

// Entry is a line of a journal: a file that is about to be made.
type Entry struct {
	Output int    `json:"output"`
	Path   string `json:"path"`
	Part   MadeAs `json:"part,omitempty"`
	Begun  int64  `json:"begun,omitempty"` // Unix nanoseconds
}

// Profile is the directory of a browser that the worker of that journal may start.
// Who finds the journal of a dead worker removes it.
func Profile(journal string) string { return journal + ".profile" }

// Note adds an entry to a journal. It is durable when Note returns.
func Note(journal string, e Entry) error {
	raw, err := json.Marshal(e)
	if err != nil {
		panic("BUG: encode journal: " + err.Error())
	}
	f, err := os.OpenFile(journal, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// NoteNew is Note for a file that must not be there yet: what somebody else made is
// not noted, so that nobody takes it for the worker's. It fails with fs.ErrExist.
func NoteNew(journal string, e Entry) error {
	if _, err := os.Lstat(e.Path); err == nil {
		return &fs.PathError{Op: "make", Path: e.Path, Err: fs.ErrExist}
	}
	return Note(journal, e)
}

// Journal returns the entries of a journal, none if there is none. A line that its
// writer did not finish is left out: its file was not made.
func Journal(journal string) (all []Entry, err error) {
	f, err := os.Open(journal)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Path != "" {
			all = append(all, e)
		}
	}
	return all, lines.Err()
}
