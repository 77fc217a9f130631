package script

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Write writes a program of the shell, and returns its path.
func Write(t testing.TB, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	// A child that is begun meanwhile would keep the file open for writing: it is busy then.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
