package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// target is the server under test, a process of its own.
type target struct {
	url string
	pid int

	cmd    *exec.Cmd
	output *tail         // of standard error
	ended  chan struct{} // closed when the process has ended
	dir    string        // to remove at the end; empty to leave the data
	silent bool          // tells nothing of itself: another server than ours

	resident int64         // bytes when nobody had joined yet
	opened   time.Duration // from the start of the process to its first answer
}

// buildServer builds the server from the module that the working directory is in.
func buildServer(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "rollcall")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, modulePath+"/cmd/rollcall")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// start starts a fresh server, on ports that are free and with an empty log: what
// one workload leaves in the heap is not for the next to pay.
func (b *bench) start(ctx context.Context, env ...string) (*target, error) {
	if b.other != nil {
		return b.other.start(ctx, b.placement.startServer)
	}
	dir, err := os.MkdirTemp(b.dir, "server-*")
	if err != nil {
		return nil, err
	}
	t, err := b.serve(ctx, dir, b.placement.startServer, env...)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	t.dir = dir
	return t, nil
}

// startOn starts a server on the log that dir holds, on any core. The log stays
// when the server stops.
func (b *bench) startOn(ctx context.Context, dir string, env ...string) (*target, error) {
	return b.serve(ctx, dir, b.placement.startAnywhere, env...)
}

// logDir is where a server that was started in dir keeps its log.
func logDir(dir string) string { return filepath.Join(dir, "data", "events") }

func (b *bench) serve(ctx context.Context, dir string, launch func(*exec.Cmd) error, env ...string) (*target, error) {
	cmd := exec.Command(b.binary, "serve", "--dev", "--bind", "127.0.0.1", "--port", "0",
		"--udp-port", "0", "--tcp-port", "0", "--data-dir", filepath.Join(dir, "data"), "--log-level", "warn")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	return launched(ctx, cmd, launch)
}

// launched starts a program that greets like the server, and waits until it answers.
func launched(ctx context.Context, cmd *exec.Cmd, launch func(*exec.Cmd) error) (*target, error) {
	t := &target{cmd: cmd, output: new(tail), ended: make(chan struct{})}
	t.cmd.Stderr = t.output
	stdout, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := launch(t.cmd); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	t.pid = t.cmd.Process.Pid
	greeting := make(chan string, 1)
	go func() {
		defer close(t.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			// The line of the greeting that says where HTTP is.
			if _, at, ok := strings.Cut(lines.Text(), "API    "); ok && strings.HasPrefix(at, "http://") {
				select {
				case greeting <- strings.TrimSpace(at):
				default:
				}
			}
		}
		_ = t.cmd.Wait()
	}()
	if err := t.ready(ctx, greeting); err != nil {
		t.stop()
		return nil, fmt.Errorf("start the server: %w\n%s", err, t.output)
	}
	t.opened = time.Since(began)
	return t, nil
}

func (t *target) ready(ctx context.Context, greeting <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case at := <-greeting:
		// The name may mean IPv6 first, which is not bound.
		t.url = strings.Replace(at, "localhost", "127.0.0.1", 1)
	case <-t.ended:
		return errors.New("it has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := t.stats(ctx); err != nil {
		return err
	}
	var err error
	t.resident, err = residentBytes(t.pid)
	return err
}

// serverStats is what a server in development mode tells of itself.
type serverStats struct {
	Goroutines int
	HeapBytes  uint64
	Mallocs    uint64
}

func (t *target) stats(ctx context.Context) (serverStats, error) {
	return t.statsAt(ctx, "/debug/stats")
}

// statsAfterGC makes the server collect its garbage first.
func (t *target) statsAfterGC(ctx context.Context) (serverStats, error) {
	return t.statsAt(ctx, "/debug/stats?gc=1")
}

func (t *target) statsAt(ctx context.Context, path string) (s serverStats, err error) {
	if t.silent {
		return s, nil
	}
	body, err := t.fetch(ctx, path)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

func (t *target) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", path, resp.Status)
	}
	return body, err
}

// reading is the state of the counters at one moment.
type reading struct {
	at      time.Time
	cpu     time.Duration // the server's
	load    time.Duration // our own
	machine usage
}

func (t *target) read() (r reading, err error) {
	var errs [3]error
	r.at = time.Now()
	r.cpu, errs[0] = cpuTime(t.pid)
	r.load, errs[1] = cpuTime(os.Getpid())
	r.machine, errs[2] = coreTimes()
	r.machine.own = r.cpu + r.load
	return r, errors.Join(errs[:]...)
}

// stop interrupts the server and kills it if that is of no use.
func (t *target) stop() {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.ended:
	case <-time.After(patience):
		_ = t.cmd.Process.Kill()
		<-t.ended
	}
	t.over()
}

// kill ends the server as a crash does.
func (t *target) kill() {
	_ = t.cmd.Process.Kill()
	<-t.ended
	t.over()
}

func (t *target) over() {
	http.DefaultClient.CloseIdleConnections()
	if t.dir != "" {
		_ = os.RemoveAll(t.dir)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer // mu guards
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
