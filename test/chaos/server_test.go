package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	apiKey    = "APIchaos"
	apiSecret = "a-secret-for-tests-of-at-least-32-characters"

	// patience is how long anything may take that has to happen; the machine
	// may be busy with other tests.
	patience = 2 * time.Minute
)

// program is the server, built once for all tests. If they run under the race
// detector, raced is the one under it too; else it is the same. Servers are raced but
// where numbers count.
var program, raced string

// long makes the worst days as bad as make worst has them.
var long = flag.Bool("long", false, "run the worst days in their long form")

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests wait beside one another, for time to pass or for their turn, also on few cores.
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	if *long {
		kills, joins = 20, 200
	}
	os.Exit(buildAndRun(m))
}

var busy sync.Mutex

// takesTurns has tests that keep processors busy follow one another, beside those that
// wait most of the time.
func takesTurns(t *testing.T) {
	t.Helper()
	t.Parallel()
	busy.Lock()
	t.Cleanup(busy.Unlock)
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollcall-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "rollcall")
	raced = program
	builds := [][]string{{"-o", program}}
	if raceDetector {
		raced += "-race"
		builds = append(builds, []string{"-race", "-trimpath=false", "-o", raced}) // as this test was built itself
	}
	for _, flags := range builds {
		build := exec.Command("go", append(append([]string{"build"}, flags...), "../../cmd/rollcall")...)
		if flags[0] == "-race" {
			build.Env = append(os.Environ(), "CGO_ENABLED=1")
		}
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// server is a server process that can be run again on the same data.
type server struct {
	t       *testing.T
	url     string // http://…
	config  string
	dataDir string
	log     *os.File
	cmd     *exec.Cmd
	program string

	port             int // of HTTP
	udpPort, tcpPort int // of media
	// fileSize is how large a file the process may write, in units of 512 bytes; 0
	// is without limit.
	fileSize int
}

// newServer prepares a server that delivers its webhooks to hook; start runs it.
func newServer(t *testing.T, hook string) *server {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t, "tcp")
	s := &server{
		t:       t,
		url:     fmt.Sprintf("http://127.0.0.1:%d", port),
		config:  filepath.Join(dir, "config.yaml"),
		dataDir: filepath.Join(dir, "data"),
		program: raced,
		port:    port,
		udpPort: freePort(t, "udp"),
		tcpPort: freePort(t, "tcp"),
	}
	config := map[string]any{
		"port": port, "bind_addresses": []string{"127.0.0.1"},
		"rtc": map[string]any{
			"udp_port": s.udpPort, "tcp_port": s.tcpPort,
			"node_ip": "127.0.0.1", "enable_loopback_candidate": true,
		},
		"keys":    map[string]string{apiKey: apiSecret},
		"webhook": map[string]any{"api_key": apiKey, "urls": []string{hook}},
		"room":    map[string]any{"departure_timeout": 1},
		"logging": map[string]any{"level": "info"},
		// For /debug/stats.
		"development": true,
	}
	// JSON is YAML.
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(filepath.Join(dir, "server.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		s.wantNoBugs()
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", s.tail(80))
		}
		s.log.Close()
	})
	return s
}

// wantNoBugs says that nothing raced and nothing panicked, in all the lives of the process.
func (s *server) wantNoBugs() {
	s.t.Helper()
	log, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Error(err)
	}
	for _, bug := range []string{"DATA RACE", "panic", "fatal error:", "BUG:"} {
		if at := bytes.Index(log, []byte(bug)); at >= 0 {
			s.t.Errorf("the server's log has %q:\n%s", bug, log[max(0, at-500):min(len(log), at+4000)])
			return
		}
	}
}

// start runs the process and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.program, "serve", "--config", s.config, "--data-dir", s.dataDir)
	if s.fileSize > 0 {
		s.cmd = exec.Command("sh", append([]string{"-c", `ulimit -f "$0"; exec "$@"`, fmt.Sprint(s.fileSize)}, s.cmd.Args...)...)
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	s.poll("the server to answer", func() error {
		if err := syscall.Kill(s.cmd.Process.Pid, 0); err != nil {
			s.t.Fatalf("the server ended: %v", err)
		}
		resp, err := http.Get(s.url)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// kill ends the process at once, as a power cut would.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
}

// stop asks the process to end and waits for it.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server did not end cleanly: %v", err)
	}
	s.cmd = nil
}

// poll calls probe until it succeeds.
func (s *server) poll(what string, probe func() error) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) tail(lines int) string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(b, []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// record is a record of the log, as /events shows it.
type record struct {
	Seq            uint64          `json:"seq"`
	RoomSeq        uint64          `json:"roomSeq"`
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	Room           string          `json:"room"`
	RoomSID        string          `json:"roomSid"`
	ParticipantSID string          `json:"participantSid"`
	TrackSID       string          `json:"trackSid"`
	Synthesized    bool            `json:"synthesized"`
	Body           json.RawMessage `json:"body"`
}

func (r *record) String() string {
	return fmt.Sprintf("%d %s %s/%d %s %s", r.Seq, r.Name, r.RoomSID, r.RoomSeq, r.ParticipantSID, r.TrackSID)
}

// follow opens a stream of the records after a place, as they are committed.
// The returned function reads it until the server is gone.
func (s *server) follow(after uint64) func() []*record {
	s.t.Helper()
	resp, err := s.events(context.Background(), fmt.Sprintf("after=%d", after))
	if err != nil {
		s.t.Fatal(err)
	}
	return func() (seen []*record) {
		defer resp.Body.Close()
		for lines := json.NewDecoder(resp.Body); ; {
			r := new(record)
			if err := lines.Decode(r); err != nil {
				return seen // the stream has no other end than the server's
			}
			// Lines that keep the connection alive are no records.
			if r.Seq != 0 {
				seen = append(seen, r)
			}
		}
	}
}

// read returns the records after a place that are committed now.
func (s *server) read(after uint64) []*record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []*record
	for {
		resp, err := s.events(ctx, fmt.Sprintf("wait=0&limit=1000&after=%d", after))
		if err != nil {
			s.t.Fatal(err)
		}
		var page struct {
			Events []*record `json:"events"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil {
			s.t.Fatalf("read events: %v", err)
		}
		if len(page.Events) == 0 {
			return all
		}
		all = append(all, page.Events...)
		after = all[len(all)-1].Seq
	}
}

func (s *server) events(ctx context.Context, query string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events?"+query, nil)
	if err != nil {
		return nil, err
	}
	bearer, err := mint(&token.Claims{Rollcall: &token.RollcallGrant{Events: true}})
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		return nil, fmt.Errorf("read events: %s: %s", resp.Status, text)
	}
	return resp, nil
}

// usage is what the process holds.
type usage struct {
	goroutines int
	heap       uint64
	files      int
}

// usage returns what the process holds after a collection.
func (s *server) usage() usage {
	s.t.Helper()
	resp, err := http.Get(s.url + "/debug/stats?gc=1")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats struct {
		Goroutines int    `json:"goroutines"`
		HeapBytes  uint64 `json:"heapBytes"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		s.t.Fatalf("read stats: %s: %v", resp.Status, err)
	}
	files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	return usage{stats.Goroutines, stats.HeapBytes, len(files)}
}

func mint(c *token.Claims) (string, error) { return mintAt(c, time.Now()) }

func mintAt(c *token.Claims, now time.Time) (string, error) {
	return token.Mint(apiKey, apiSecret, c, now, time.Hour)
}

// freePort returns a port that was free a moment ago, and is none of those which systems
// give to who names none: a server that is started again finds it free.
func freePort(t *testing.T, network string) int {
	t.Helper()
	var refused error
	for range 1000 {
		port := 20_000 + rand.IntN(12_000)
		var l io.Closer
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if strings.HasPrefix(network, "udp") {
			l, refused = net.ListenPacket("udp4", address)
		} else {
			l, refused = net.Listen("tcp4", address)
		}
		if refused == nil {
			l.Close()
			return port
		}
	}
	t.Fatal(refused)
	return 0
}
