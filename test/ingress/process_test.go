package ingress

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// build makes the server's program.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "rollcall")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "../../cmd/rollcall")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// served is a server in a process of its own.
type served struct {
	*site
	t              *testing.T
	binary, config string
	cmd            *exec.Cmd
	pid            int
}

// process starts one, with more lines of configuration.
func process(t *testing.T, binary string, extra ...string) *served {
	t.Helper()
	dir := t.TempDir()
	ports := make([]string, 2)
	for i := range ports {
		_, ports[i], _ = net.SplitHostPort(free(t, "tcp"))
	}
	p := &served{t: t, binary: binary, config: filepath.Join(dir, "rollcall.yaml")}
	body := fmt.Sprintf("port: %s\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: -1, enable_loopback_candidate: true}\nkeys: {%s: %s}\ningress: {rtmp: {port: %s}, allow_networks: [127.0.0.0/8]}\n",
		ports[0], filepath.Join(dir, "data"), apiKey, apiSecret, ports[1])
	if err := os.WriteFile(p.config, []byte(body+strings.Join(extra, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	p.site = siteAt(t, "127.0.0.1:"+ports[0], nil)
	p.run()
	t.Cleanup(p.kill)
	return p
}

// run starts the process, and returns when it answers.
func (p *served) run() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "serve", "--config", p.config)
	p.cmd.Stderr = p.t.Output()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.pid = p.cmd.Process.Pid
	eventually(p.t, "the server answers", func() bool {
		_, err := p.api.ListIngress(p.t.Context(), &livekit.ListIngressRequest{})
		return err == nil
	})
}

// kill ends the process at once.
func (p *served) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is what the server has used, and what its children have that are there.
func (p *served) cpu() (server, children time.Duration) {
	for _, pid := range childrenOf(p.pid) {
		children += cpuOf(pid)
	}
	return cpuOf(strconv.Itoa(p.pid)), children
}

// cpuOf is what a process has used; 0 if it is gone.
func cpuOf(pid string) (sum time.Duration) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] { // utime and stime, in hundredths
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

func childrenOf(pid int) (all []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		b, _ := os.ReadFile(path)
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}
