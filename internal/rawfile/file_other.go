//go:build !linux

package rawfile

import "os"

// File is one as any other here.
type File = os.File

// New returns the file.
func New(file *os.File) (*File, error) { return file, nil }
