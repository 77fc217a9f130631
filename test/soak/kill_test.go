package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-rtc/rollcall/event"
)

var (
	kills  = flag.Int("kills", 40, "how many processes are killed")
	lanes  = flag.Int("lanes", 1, "in how many logs at a time, each with receivers and victims of its own")
	cuts   = flag.Int("cuts", 40, "how many times the power is cut")
	seed   = flag.Uint64("seed", 0, "of the choices; 0 is another one each time")
	report = flag.String("report", "", "a file to which the result is appended")
)

// victimEnv, when set, makes the test binary the process that is killed; it
// holds a sentence in JSON.
const victimEnv = "ROLLCALL_SOAK_VICTIM"

// sentence is what a victim process is told.
type sentence struct {
	Dir    string   `json:"dir"`
	URLs   []string `json:"urls"`
	Life   int      `json:"life"`
	After  uint64   `json:"after"`
	Moment string   `json:"moment"`
	Idle   bool     `json:"idle"`
}

func TestMain(m *testing.M) {
	if s := os.Getenv(victimEnv); s != "" {
		if err := live(s); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// live is the victim's process; it ends well when its standard input does.
func live(s string) error {
	var told sentence
	if err := json.Unmarshal([]byte(s), &told); err != nil {
		return err
	}
	m, err := parseMoment(told.Moment, func() {
		self, err := os.FindProcess(os.Getpid())
		if err != nil || self.Kill() != nil {
			panic("cannot die")
		}
		select {}
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	v := victim{dir: told.Dir, fs: vfs.Default, urls: told.URLs, life: told.Life, after: told.After, idle: told.Idle,
		moments: m, witness: &pipeWitness{out: bufio.NewWriter(os.Stdout)}}
	return v.run(ctx)
}

// pipeWitness writes what it is told as lines: a letter and JSON. What is durable
// is written at once.
type pipeWitness struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func (p *pipeWitness) line(kind string, v any, flush bool) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%s%s\n", kind, b)
	if flush {
		_ = p.out.Flush()
	}
}

func (p *pipeWitness) record(r *event.Record) { p.line("R", r, false) }
func (p *pipeWitness) durable(seq uint64)     { p.line("D", seq, true) }
func (p *pipeWitness) settled(last uint64, after time.Duration) {
	p.line("S", [2]int64{int64(last), int64(after)}, true)
}

// relay tells w what a pipeWitness wrote, and calls settled and spoke with each
// line of that kind.
func relay(in io.Reader, w witness, settled func()) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // the last line of a dead process may be cut short
		}
		switch line[0] {
		case 'R':
			var r event.Record
			if err := json.Unmarshal(line[1:], &r); err != nil {
				return err
			}
			w.record(&r)
		case 'D':
			seq, err := strconv.ParseUint(strings.TrimSpace(string(line[1:])), 10, 64)
			if err != nil {
				return err
			}
			w.durable(seq)
		case 'S':
			var s [2]int64
			if err := json.Unmarshal(line[1:], &s); err != nil {
				return err
			}
			w.settled(uint64(s[0]), time.Duration(s[1]))
			settled()
		default:
			return fmt.Errorf("a victim says %q", line)
		}
	}
}

func newRandom(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// TestKilledProcessesLoseNothing is the promise of the log and of delivery
// against kill -9, at every step of both.
func TestKilledProcessesLoseNothing(t *testing.T) {
	random := newRandom(t)
	began := time.Now()
	dir := t.TempDir()
	var mu sync.Mutex
	var all verdict
	t.Run("lanes", func(t *testing.T) {
		for lane := range *lanes {
			random := rand.New(rand.NewPCG(random.Uint64(), 0))
			n := (*kills + *lanes - 1 - lane) / *lanes
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				v := killAgainAndAgain(t, n, random, filepath.Join(dir, fmt.Sprint(lane)))
				mu.Lock()
				defer mu.Unlock()
				all.add(v)
			})
		}
	})
	if !t.Failed() {
		conclude(t, "kill -9", all, time.Since(began), dir)
	}
}

// killAgainAndAgain lets n victims die over one log, and a last one live.
func killAgainAndAgain(t *testing.T, n int, random *rand.Rand, dir string) verdict {
	began := time.Now()
	gate := new(sync.RWMutex)
	receivers := []*receiver{newReceiver(t, gate, false), newReceiver(t, gate, true)}
	j := newJudge("the good receiver", "the faulty receiver")
	told := sentence{Dir: dir, URLs: urls(receivers)}
	for i := range n {
		told.Life, told.After, told.Moment = j.life, j.last, ""
		grace := time.Duration(-1)
		if random.IntN(10) < 7 {
			told.Moment = pickMoment(random)
		} else {
			grace = time.Duration(random.Int64N(int64(250 * time.Millisecond)))
		}
		runAndKill(t, told, j, grace)
		collect(t, j, receivers)
		if len(j.problems) > 0 {
			t.Fatalf("after %d kills, the last at %q:\n%s", i+1, told.Moment, strings.Join(j.problems, "\n"))
		}
		if (i+1)%250 == 0 {
			t.Logf("%d kills in %s: %+v", i+1, time.Since(began).Round(time.Second), j.verdict)
		}
	}

	// A last life delivers the rest, and another reads the whole log once more.
	told.Life, told.After, told.Moment, told.Idle = j.life, j.last, "", true
	last := start(t, told, j)
	<-last.settled
	drain(t, j, receivers)
	if err := last.end(); err != nil {
		t.Error(err)
	}
	whole := newJudge()
	whole.upTo = j.last
	told.After, told.Life = 0, j.life
	again := start(t, told, whole)
	<-again.settled
	if err := again.end(); err != nil {
		t.Error(err)
	}
	if whole.chain != j.chain || whole.last < j.last {
		t.Errorf("read at the end, the log of %d events is not what it was when it had %d", whole.last, j.last)
	}
	for _, p := range j.problems {
		t.Error(p)
	}
	j.verdict.Deaths = n
	return j.verdict
}

// process is a victim that runs.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	stdin   io.Closer
	settled chan struct{} // closed when it has told what was left
	told    chan error    // what it said was heard to the end
}

func start(t *testing.T, told sentence, w witness) *process {
	t.Helper()
	s, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimEnv+"="+string(s))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, stdin: in, settled: make(chan struct{}), told: make(chan error, 1)}
	go func() { p.told <- relay(out, w, func() { close(p.settled) }) }()
	return p
}

// end lets the process end in good order.
func (p *process) end() error {
	p.stdin.Close()
	return errors.Join(<-p.told, p.cmd.Wait())
}

// runAndKill lets a victim live: for the grace, or if that is negative until its
// moment, and in any case not long after it has nothing left to do.
func runAndKill(t *testing.T, told sentence, j *judge, grace time.Duration) {
	t.Helper()
	p := start(t, told, j)
	dead := make(chan struct{})
	var heard error
	go func() {
		defer close(dead)
		heard = <-p.told
	}()
	if grace >= 0 {
		select {
		case <-time.After(grace):
		case <-dead:
		}
	} else {
		select {
		case <-p.settled:
			select {
			case <-time.After(300 * time.Millisecond): // the moment may not come
			case <-dead:
			}
		case <-dead:
		case <-time.After(patience):
			t.Error("a victim does not settle")
		}
	}
	_ = p.cmd.Process.Kill()
	<-dead
	err := p.cmd.Wait()
	p.stdin.Close()
	if heard != nil || p.cmd.ProcessState.Exited() {
		t.Fatalf("life %d, to end at %q, ended by itself: %v, %v", told.Life, told.Moment, err, heard)
	}
}

// collect hands the judge what the receivers got of the dead.
func collect(t *testing.T, j *judge, receivers []*receiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := receivers[0].quiet(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := receivers[1].quiet(ctx)
	if err != nil {
		t.Fatal(err)
	}
	j.died(a, b)
}
