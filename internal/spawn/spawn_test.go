package spawn_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

func TestChildrenSeeNoSecrets(t *testing.T) {
	t.Setenv("ROLLCALL_KEYS", "devkey: secret-of-the-api")
	t.Setenv("LC_TIME", "de_DE.UTF-8")
	env := strings.Join(spawn.Environment("MORE=1"), "\n")
	if strings.Contains(env, "secret-of") || !strings.Contains(env, "PATH=") || !strings.Contains(env, "LC_TIME=de_DE.UTF-8") || !strings.HasSuffix(env, "\nMORE=1") {
		t.Errorf("a child sees %q", env)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tail := spawn.NewTail(16)
	if tail.Last() != "" {
		t.Error(tail.Last())
	}
	for _, s := range []string{"a first line\n", "second\n", "third\r\n \n"} {
		if n, err := tail.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if tail.Last() != "third" || tail.String() != "second\nthird\r\n \n"[len("second\nthird\r\n \n")-16:] {
		t.Errorf("%q, %q", tail.Last(), tail.String())
	}
}

func TestGroupIsKilledWhole(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes of Linux")
	}
	cmd := exec.Command("sh", "-c", "sleep 60 & echo begun; wait")
	spawn.Detach(cmd)
	spawn.Bind(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	if _, err := out.Read(b); err != nil {
		t.Fatal(err)
	}
	spawn.KillGroup(cmd)
	// The pipe ends with the last of them that has it.
	if n, err := out.Read(b); err == nil {
		t.Errorf("it says %q", b[:n])
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
}

func TestCPUOfAProcessIsRead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is read from /proc")
	}
	before, err := spawn.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		now, err := spawn.CPU(os.Getpid())
		if err != nil || time.Now().After(end) {
			t.Fatalf("%v, %v before: %v", now, before, err)
		}
		if now > before {
			break
		}
	}
	if _, err := spawn.CPU(1 << 30); err == nil {
		t.Error("a process that is not there has used some")
	}
}
