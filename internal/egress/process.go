package egress

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// process is a worker.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.Reader
	logs sync.WaitGroup

	reports chan wire.Report // what it says, closed when it is gone; nil before listen
}

// startProcess starts a worker in a process group of its own, so that what is sent
// to the server's by a terminal does not reach it. It ends when its input does.
func startProcess(o Options, command []string, id string) (*process, error) {
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], id)...)
	cmd.Env = spawn.Environment("GOMAXPROCS=1", "GOMEMLIMIT=64MiB", withoutSignals(os.Getenv("GODEBUG")))
	spawn.Detach(cmd)
	p := &process{cmd: cmd}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.logs.Go(func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			o.Logger.Warn("worker of a recording said", "egress", id, "line", lines.Text())
		}
		_, _ = io.Copy(io.Discard, said)
	})
	return p, nil
}

// withoutSignals is that GODEBUG, and that the runtime is to interrupt nothing by signals.
// In workers nothing runs for long without a call; and to find out what is interrupted, the
// runtime looks through tables of the program that are needed for nothing else.
func withoutSignals(debug string) string {
	return "GODEBUG=" + strings.TrimPrefix(debug+",asyncpreemptoff=1", ",")
}

// listen reads what the worker says. It is called once; the goroutine ends with the
// worker's output, if somebody reads reports.
func (p *process) listen() {
	p.reports = make(chan wire.Report, 16)
	go func() {
		defer close(p.reports)
		lines := json.NewDecoder(p.out)
		for {
			var r wire.Report
			if err := lines.Decode(&r); err != nil {
				_, _ = io.Copy(io.Discard, p.out)
				return
			}
			p.reports <- r
		}
	}()
}

func (p *process) id() int { return p.cmd.Process.Pid }
func (p *process) kill()   { _ = p.cmd.Process.Kill() }

// wait returns how the worker ended. Its output must have been read to the end.
func (p *process) wait() error {
	p.logs.Wait()
	return p.cmd.Wait()
}

// awaitOrphan waits until a worker of the last run is gone, and kills it after the
// deadline. The process of that id may be another by now: only one that has the
// job's id among its arguments is waited for.
func awaitOrphan(pid int, id string, deadline time.Time) {
	for tries := 0; isWorker(pid, id); tries++ {
		if time.Now().After(deadline) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
			if tries > 1000 {
				return // not ours to kill, it seems
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func isWorker(pid int, id string) bool {
	if pid <= 0 {
		return false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), "\x00"+id+"\x00")
}
