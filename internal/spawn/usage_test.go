package spawn_test

import (
	"bufio"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// What a grandchild takes counts, also when it is gone.
func TestUsageIsThatOfAllThatWasStarted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is read from /proc")
	}
	// The inner shell has 8 MB of text in a variable, works for a while, and says so.
	const inner = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do x=$x$x; done; echo full; read end"
	cmd := exec.Command("sh", "-c", "sh -c '"+inner+"'; echo gone; read end")
	spawn.Detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		spawn.KillGroup(cmd)
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	said := func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	said()
	full, err := spawn.UsageOf(cmd.Process.Pid)
	if err != nil || full.Memory < 8<<20 {
		t.Errorf("they have %d bytes: %v", full.Memory, err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	said()
	gone, err := spawn.UsageOf(cmd.Process.Pid)
	if err != nil || gone.Memory >= full.Memory-6<<20 || gone.CPU < full.CPU {
		t.Errorf("it has %+v, %+v before: %v", gone, full, err)
	}
	if full.CPU < 0 || full.CPU > time.Hour {
		t.Errorf("they have used %v", full.CPU)
	}
	spawn.KillGroup(cmd)
	_ = cmd.Wait()
	if _, err := spawn.UsageOf(cmd.Process.Pid); err == nil {
		t.Error("of a process that is gone there is usage")
	}
}
