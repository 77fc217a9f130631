//go:build unix

package ingress

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func pause(t *testing.T, p *os.Process)  { signal(t, p, syscall.SIGSTOP) }
func resume(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end kills a process, and freeze stops it.
func end(t *testing.T, pid string)    { send(t, pid, syscall.SIGKILL) }
func freeze(t *testing.T, pid string) { send(t, pid, syscall.SIGSTOP) }

func send(t *testing.T, pid string, s syscall.Signal) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// alive says whether a process runs.
func alive(pid string) bool {
	n, _ := strconv.Atoi(pid)
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return syscall.Kill(n, 0) == nil && !strings.HasPrefix(rest, "Z")
}
