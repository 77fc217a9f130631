package soak

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// conclude logs the result, appends it to the report, and fails the test unless it
// is what was promised. dir is on the disk that was used, "" for memory.
func conclude(t *testing.T, what string, v verdict, took time.Duration, dir string) {
	t.Helper()
	if v.Lost+v.Disorder+v.Unexplained > 0 {
		t.Errorf("%d lost, %d out of order, %d repeated for no reason", v.Lost, v.Disorder, v.Unexplained)
	}
	if v.Durable == 0 || v.Delivered < int(v.Committed) {
		t.Errorf("too little happened to prove anything: %+v", v)
	}
	line := fmt.Sprintf("%s: %d deaths, %d events committed, %d deliveries accepted; %d lost, %d out of order, %d repeated after a death or a broken connection, %d for no reason; slowest start until all was closed %s; took %s",
		what, v.Deaths, v.Committed, v.Delivered, v.Lost, v.Disorder, v.Repeats, v.Unexplained,
		v.Slowest.Round(time.Millisecond), took.Round(time.Second))
	t.Log(line)
	if *report == "" {
		return
	}
	f, err := os.OpenFile(*report, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "%s\n%s\n", line, machine(t, dir))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// machine says where that was.
func machine(t *testing.T, dir string) string {
	t.Helper()
	cpu := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	s := fmt.Sprintf("on %s, %d cores, %s, %s", cpu, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format("2006-01-02"))
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		s += ", Linux " + string(bytes.TrimSpace(kernel))
	}
	if dir == "" {
		return s + ", a file system in memory"
	}
	p50, p99 := fsync(t, dir)
	return s + fmt.Sprintf(", %s, 512 B + fsync p50 %s, p99 %s", fileSystem(dir), p50, p99)
}

func fileSystem(dir string) string {
	name, err := exec.Command("stat", "--file-system", "--format=%T", dir).Output()
	if err != nil {
		return "disk"
	}
	return string(bytes.TrimSpace(name))
}

// fsync measures what a durable write costs there.
func fsync(t *testing.T, dir string) (p50, p99 time.Duration) {
	t.Helper()
	f, err := os.CreateTemp(dir, "fsync-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 300 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 512)); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2].Round(10 * time.Microsecond), took[len(took)*99/100].Round(10 * time.Microsecond)
}
