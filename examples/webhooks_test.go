// Package examples has no code of its own: its test runs docs/webhooks.md.
package examples

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The commands of docs/webhooks.md, in one shell, as they stand but for the ports.
func TestTheCommandsOfTheGuideDoWhatItSays(t *testing.T) {
	script := commands(t, "../docs/webhooks.md")
	if strings.Count(script, "kill -9") != 2 {
		t.Fatalf("nothing can be learned from:\n%s", script)
	}
	dir, out, err := shell(t, script+"wait $server $receiver || true\n")
	if err != nil || !strings.Contains(out, "nothing missed") {
		for _, name := range []string{"received.txt", "server.txt", "calls.txt", "log.txt", "seen.txt"} {
			said, _ := os.ReadFile(filepath.Join(dir, name))
			t.Logf("%s:\n%s", name, said)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	seen, err := os.ReadFile(filepath.Join(dir, "seen.txt"))
	if n := len(strings.Fields(string(seen))); err != nil || n < 4 {
		t.Errorf("%d events were received, want those of three rooms: %v", n, err)
	}
	received, err := os.ReadFile(filepath.Join(dir, "received.txt"))
	if err != nil || !strings.Contains(string(received), "ana") {
		t.Errorf("the sample was not received: %v\n%s", err, received)
	}
}

// commands are the sh blocks of a page, one after the other.
func commands(t *testing.T, file string) string {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllSubmatch(page, -1)
	for _, block := range blocks {
		script.Write(block[1])
	}
	if len(blocks) < 3 {
		t.Fatalf("%d blocks were found in %s", len(blocks), file)
	}
	return script.String()
}

// shell runs a script in a folder of its own, with rollcall in its path and ports
// of its own, and returns what it printed.
func shell(t *testing.T, script string) (dir, output string, err error) {
	t.Helper()
	dir = t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "rollcall"), "./cmd/rollcall")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ports := freePorts(t, 5)
	text := strings.NewReplacer("localhost:3000", "localhost:"+ports[0], "localhost:7880", "localhost:"+ports[1]).Replace(script)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// What is left over when a command fails must not outlive the shell.
	const ends = "set -euo pipefail\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n"
	cmd := exec.CommandContext(ctx, "bash", "-c", ends+text)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir,
		"ROLLCALL_PORT=" + ports[1], "ROLLCALL_RTC_UDP_PORT=" + ports[2], "ROLLCALL_RTC_TCP_PORT=" + ports[3], "ROLLCALL_INGRESS_RTMP_PORT=" + ports[4],
		"ROLLCALL_URL=http://localhost:" + ports[1],
	}
	out, err := cmd.CombinedOutput()
	return dir, string(out), err
}

// freePorts are ports of loopback that nobody has, for TCP and UDP.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, 0, n)
	for len(ports) < n {
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			continue
		}
		defer c.Close()
		ports = append(ports, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}
