package pebble_test

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// forbidRings has the kernel refuse io_uring_setup(2) to this process, as containers do.
func forbidRings(t *testing.T) {
	t.Helper()
	const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: refuse},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if e != 0 {
		t.Fatal("seccomp: ", e)
	}
}

// Who runs the server in a container is told, once, what that costs. The log is as good.
func TestRingsThatAreForbiddenAreTold(t *testing.T) {
	const child = "ROLLCALL_TEST_FORBID_RINGS"
	if os.Getenv(child) == "" { // a filter is there for good
		cmd := exec.Command(os.Args[0], "-test.run=^TestRingsThatAreForbiddenAreTold$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	forbidRings(t)
	dir, room := t.TempDir(), storetest.NewRoom("demo", "RM_1")
	var told bytes.Buffer
	for n := range 2 {
		store, err := pebble.Open(pebble.Options{Dir: dir, MemTableSize: smallMemTable, Logger: slog.New(slog.NewTextHandler(&told, nil))})
		if err != nil {
			t.Fatal(err)
		}
		l, err := eventlog.Open(eventlog.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && l.Last() != 2001 {
			t.Errorf("%d events are there, want 2001", l.Last())
		}
		seq := l.Append(room.Start())
		for range 2000 { // some files of the log
			seq = l.Append(room.Join())
		}
		if err := l.Sync(t.Context(), seq); err != nil {
			t.Error(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if lines := strings.Count(told.String(), "without io_uring"); lines != n+1 || !strings.Contains(told.String(), "operation not permitted") {
			t.Errorf("after %d runs it is told %d times: %s", n+1, lines, &told)
		}
	}
}
