// Command bench measures the server: as a process of its own under the load of
// light WebRTC clients, and some of its parts through their Go benchmarks.
//
//	go run ./test/bench             all workloads, five times each
//	go run ./test/bench -run video  those whose name matches
//	go run ./test/bench -run backlog_10m -reps 1  a long one, that runs only by its name
//	go run ./test/bench -json       a JSON line for each figure instead of the table
//	go run ./test/bench -markdown   as docs/performance.md has it
//	go run ./test/bench -into docs/performance.md  and put it there
//	go run ./test/bench -short      one quick pass, to see that it works
//	go run ./test/bench -beside "program arguments" -run join  beside another server, as ratios
//
// docs/performance.md says what the figures mean and how far to trust them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	maybeFill()
	maybeFloor()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is what all workloads share.
type bench struct {
	// immutable
	binary    string // the server
	other     *other // measured in its place; nil for the server
	dir       string // for data
	placement placement
	window    time.Duration // how long one repetition is measured
	short     bool
	profileTo string // file; empty for no profile
	backlog   int    // events of the long workloads; 0 for what they have
	progress  io.Writer
}

// scaled shortens what is waited for but not measured.
func (b *bench) scaled(d time.Duration) time.Duration {
	if b.short {
		return d / 10
	}
	return d
}

const (
	defaultWindow = 8 * time.Second
	shortWindow   = 500 * time.Millisecond
	defaultReps   = 5
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	b := &bench{progress: stderr}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	match := fs.String("run", "", "only workloads whose name matches the `regexp`")
	reps := fs.Int("reps", defaultReps, "repetitions of each workload, each with a fresh server")
	asJSON := fs.Bool("json", false, "write JSON lines instead of the table")
	asMarkdown := fs.Bool("markdown", false, "write the table as docs/performance.md has it")
	into := fs.String("into", "", "write that table into `file`, in place of the one that is there")
	fs.IntVar(&b.backlog, "backlog", 0, "how many `events` the long workloads have behind them, in place of ten million")
	list := fs.Bool("list", false, "list the workloads and stop")
	free := fs.Bool("nopin", false, "let the scheduler place server and load")
	fs.DurationVar(&b.window, "window", defaultWindow, "how long each repetition is measured")
	fs.BoolVar(&b.short, "short", false, "one short repetition: to see that it works, not to measure")
	fs.StringVar(&b.profileTo, "cpuprofile", "", "`file` for a CPU profile of the server, of the last forwarding workload")
	fs.StringVar(&b.dir, "dir", "", "`directory` to put event logs in, on the disk to measure (default a temporary one)")
	theirs := fs.String("beside", "", "run at another server, too, which this `command` starts, and write ratios; it has the key of development mode")
	at := fs.String("beside-url", "http://127.0.0.1:7880", "`URL` at which that server answers")
	if err := fs.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	var chosen []workload
	for _, w := range workloads() {
		if pattern.MatchString(w.name) && (!w.long || *list || *match == w.name) && (*theirs == "" || w.anywhere) {
			chosen = append(chosen, w)
		}
	}
	switch {
	case *list:
		for _, w := range chosen {
			fmt.Fprintf(stdout, "%-16s %s\n", w.name, w.about)
		}
		return nil
	case len(chosen) == 0:
		return fmt.Errorf("no workload matches %q; -list names them", *match)
	case *reps < 1:
		return fmt.Errorf("-reps %d: at least one", *reps)
	}
	if b.short {
		*reps, b.window = 1, shortWindow
	}

	if b.dir, err = os.MkdirTemp(b.dir, "rollcall-bench-*"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.binary, err = buildServer(ctx, b.dir); err != nil {
		return err
	}
	m, err := b.settle(*free)
	if err != nil {
		return err
	}
	if argv := strings.Fields(*theirs); len(argv) > 0 {
		ratios, failed := b.beside(ctx, &other{argv, strings.TrimSuffix(*at, "/")}, chosen, *reps, m)
		if *asJSON {
			return errors.Join(failed, writeJSON(stdout, m, ratios))
		}
		return errors.Join(failed, writeRatios(stdout, m, ratios))
	}
	// What was measured is told even if something failed.
	rows, failed := b.all(ctx, chosen, *reps, m)
	var write func(io.Writer, machine, []*row) error = writeTable
	switch {
	case *asJSON:
		write = writeJSON[*row]
	case *asMarkdown:
		write = writeMarkdown
	case *into != "":
		write = func(_ io.Writer, m machine, rows []*row) error { return writeInto(*into, chosen[0].long, m, rows) }
	}
	return errors.Join(failed, write(stdout, m, rows))
}

// settle places this process and describes the machine.
func (b *bench) settle(free bool) (machine, error) {
	if b.placement = (placement{text: "none, as asked"}); !free {
		b.placement = pin()
	}
	return describeMachine(b.dir, b.placement.text)
}

// all runs the workloads in turn, and that as often as there are repetitions: a
// slow hour then falls on all of them alike. A workload that fails is not tried
// again, and the others go on; the rows are of the repetitions that succeeded.
func (b *bench) all(ctx context.Context, chosen []workload, reps int, m machine) (rows []*row, err error) {
	outcomes := make([][]outcome, len(chosen))
	failures := make([]error, len(chosen))
	for rep := range reps {
		for i, w := range chosen {
			if failures[i] != nil || ctx.Err() != nil {
				continue
			}
			fmt.Fprintf(b.progress, "%s, %d of %d\n", w.name, rep+1, reps)
			o, err := w.run(ctx, b)
			if err != nil {
				failures[i] = fmt.Errorf("%s: %w", w.name, err)
				continue
			}
			outcomes[i] = append(outcomes[i], o)
		}
	}
	for i, w := range chosen {
		rows = append(rows, summarize(w.name, outcomes[i], m)...)
	}
	return rows, errors.Join(append(failures, ctx.Err())...)
}
