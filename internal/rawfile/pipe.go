package rawfile

import (
	"errors"
	"os"
)

// FromChild makes a pipe that is read here, and given to a child to write.
func FromChild() (ours *File, theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return wrapped(r, w)
}

// ToChild makes a pipe that is written here, and given to a child to read.
func ToChild() (ours *File, theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return wrapped(w, r)
}

func wrapped(end, theirs *os.File) (*File, *os.File, error) {
	ours, err := New(end)
	if err != nil {
		return nil, nil, errors.Join(err, end.Close(), theirs.Close())
	}
	return ours, theirs, nil
}
