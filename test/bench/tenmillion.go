package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// millions is a backlog of which the endpoint has had nothing. The process that
// wrote it is killed, and so is the server while it pushes; then the endpoint is
// pushed to for a while, and a client pulls all of it.
type millions struct{ backlog backlog }

// pushing is for how long a backlog is drained by push, before and after a kill.
const pushing = 30 * time.Second

func (m millions) run(ctx context.Context, b *bench) (o outcome, err error) {
	dir, err := os.MkdirTemp(b.dir, "backlog-*")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	got, err := listen(1)
	if err != nil {
		return o, err
	}
	defer got.close()
	if b.backlog > 0 {
		m.backlog.events = b.backlog
	}
	f := b.sized(m.backlog)
	o.add("events", "", float64(f.events))
	l := got.ledgers[0]

	u0, err := coreTimes()
	if err != nil {
		return o, err
	}
	t, err := b.startOn(ctx, dir, got.env()) // makes the endpoint known
	if err != nil {
		return o, err
	}
	t.stop()
	began := time.Now()
	filler, err := b.fillAndDie(ctx, dir, f)
	if err != nil {
		return o, err
	}
	o.add("events written", "1/s", float64(f.events)/time.Since(began).Seconds())
	size, err := treeSize(dir)
	if err != nil {
		return o, err
	}
	o.add("size on disk", "GiB", float64(size)/(1<<30))

	// Reopened with the endpoint hanging: memory with nothing going on.
	release := got.hangFirst()
	if t, err = b.startOn(ctx, dir, got.env()); err != nil {
		release()
		return o, err
	}
	defer func() { t.kill() }()
	o.add("reopen after kill -9", "s", t.opened.Seconds())
	if err := sleep(ctx, b.scaled(10*time.Second)); err != nil {
		return o, err
	}
	if err := o.addPeak("peak RSS, reopened and idle", t); err != nil {
		return o, err
	}
	had := l.count()
	if had > 0 {
		o.remark("the endpoint that should hang got %d events", had)
	}
	release()

	// Pushing, killed, pushing again.
	own := time.Duration(0)
	for round := range 2 {
		if round == 1 {
			t.kill()
			if t, err = b.startOn(ctx, dir, got.env()); err != nil {
				return o, err
			}
			o.add("reopen after kill -9 while pushing", "s", t.opened.Seconds())
		}
		from, at := l.count(), time.Now()
		if err := l.progress(ctx, f.events, b.scaled(pushing)); err != nil {
			return o, errors.Join(err, got.failure())
		}
		if round == 1 {
			o.add("signed POSTs", "1/s", float64(l.count()-from)/time.Since(at).Seconds())
		}
	}
	if err := o.addPeak("peak RSS, pushing", t); err != nil {
		return o, err
	}
	spent, err := cpuTime(t.pid)
	if err != nil {
		return o, err
	}
	own += spent
	t.kill()
	got.close() // nobody is there any more, and its lanes wait

	if t, err = b.startOn(ctx, dir, got.env()); err != nil {
		return o, err
	}
	began = time.Now()
	p := new(puller)
	if err := p.pull(ctx, t, uint64(f.events)); err != nil {
		return o, err
	}
	o.add("events pulled", "1/s", float64(f.events)/time.Since(began).Seconds())
	if err := o.addPeak("peak RSS, pulled from the beginning", t); err != nil {
		return o, err
	}
	u1, err := coreTimes()
	if err != nil {
		return o, err
	}
	spent, err = cpuTime(t.pid)
	if err != nil {
		return o, err
	}
	u1.own = own + spent + filler
	if mine, err := cpuTime(os.Getpid()); err == nil {
		u1.own += mine
	}
	o.noise = u1.since(u0)
	l.audit(&o, l.count())
	o.add("duplicates after a kill while pushing", "", float64(l.repeated()))
	return o, got.failure()
}

func (o *outcome) addPeak(metric string, t *target) error {
	peak, err := peakBytes(t.pid)
	o.add(metric, "MiB", mebibytes(peak))
	return err
}

// progress waits for d or until n events are there, and fails if none comes.
func (l *ledger) progress(ctx context.Context, n int, d time.Duration) error {
	from := l.count()
	if err := l.await(ctx, min(n, from+1)); err != nil {
		return err
	}
	for end := time.Now().Add(d); time.Now().Before(end) && l.count() < n; {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) repeated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duplicates
}

// fillingEnv makes a process of this program one that fills a log and is killed.
const fillingEnv = "ROLLCALL_BENCH_FILL"

// filled is what that process says when everything is durable.
const filled = "filled"

// fillAndDie fills the log in a process of its own, which is killed with SIGKILL
// when all is durable: what it has not yet put into its tables is in the
// write-ahead log only. It returns the CPU time that this took.
func (b *bench) fillAndDie(ctx context.Context, dir string, f backlog) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", fillingEnv, f.events, f.rooms, dir))
	cmd.Stderr = b.progress
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := b.placement.startAnywhere(cmd); err != nil {
		return 0, fmt.Errorf("fill the log: %w", err)
	}
	said := make([]byte, len(filled))
	n, _ := out.Read(said)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if string(said[:n]) != filled {
		return 0, fmt.Errorf("fill the log: it ended with %q, %s", said[:n], cmd.ProcessState)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// maybeFill is the beginning of main in such a process; it does not return there.
func maybeFill() {
	order := os.Getenv(fillingEnv)
	if order == "" {
		return
	}
	events, rest, _ := strings.Cut(order, " ")
	rooms, dir, _ := strings.Cut(rest, " ")
	f := backlog{}
	var errs [2]error
	f.events, errs[0] = strconv.Atoi(events)
	f.rooms, errs[1] = strconv.Atoi(rooms)
	err := errors.Join(errs[:]...)
	if err == nil {
		err = f.fillAndStay(dir)
	}
	fmt.Fprintln(os.Stderr, "bench: fill the log:", err)
	os.Exit(1)
}

// treeSize returns how many bytes of disk the files under dir take.
func treeSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
