package browser

import (
	"bufio"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

func TestBrowserMayTakeSoMuchMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is read from /proc")
	}
	// A child of the browser has 8 MiB.
	cmd := exec.Command("sh", "-c", "sh -c 'x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do x=$x$x; done; echo full; read end'; exit")
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
		_ = in.Close()
		spawn.KillGroup(cmd)
		_ = cmd.Wait()
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s := &session{program: &program{cmd: cmd}}
	for _, most := range []int64{0, 1 << 30} {
		if err := s.tooLarge(most); err != nil {
			t.Errorf("of %d: %v", most, err)
		}
	}
	if err := s.tooLarge(4 << 20); err == nil || !strings.Contains(err.Error(), "egress.page_memory is 4 MiB") {
		t.Errorf("of 4 MiB: %v", err)
	}
}
