package tools

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Path is a program, or a file, that scripts/stores.sh has got, by its name below
// out/tools. The test fails where it is missing.
func Path(t testing.TB, name string) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("the test does not run below a go.mod")
		}
	}
	path := filepath.Join(root, "out", "tools", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: run scripts/stores.sh", path)
	}
	return path
}

// Serve starts a server on a free port of this machine, and returns its address once
// it listens. It is killed at the end of the test, and what it said is told if that
// failed.
func Serve(t testing.TB, command func(port string) *exec.Cmd) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := command(port)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen", cmd.Path)
		}
	}
}

// What S3 is asked for with at a server of S3.
const (
	S3AccessKey = "access"
	S3Secret    = "hushhush"
)

// S3 starts a server of S3, whose buckets are directories below dir, and returns its
// address.
func S3(t testing.TB, dir string, flags ...string) (addr string) {
	t.Helper()
	program, beside := Path(t, "usr/bin/versitygw"), t.TempDir()
	return Serve(t, func(port string) *exec.Cmd {
		args := append([]string{"--port", "127.0.0.1:" + port, "--access", S3AccessKey, "--secret", S3Secret, "posix", "--sidecar", beside}, flags...)
		return exec.Command(program, append(args, dir)...)
	})
}
