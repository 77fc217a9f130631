package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// other is a server to compare with: its program, and where it listens. It has the
// key of development mode.
type other struct {
	argv []string
	url  string // http://…
}

// start starts a fresh one, where ours would run, and waits until it answers.
func (s *other) start(ctx context.Context, launch func(*exec.Cmd) error) (*target, error) {
	if answers(ctx, s.url) {
		return nil, fmt.Errorf("start %s: something answers at %s already; end it first", s.argv[0], s.url)
	}
	t := &target{cmd: exec.Command(s.argv[0], s.argv[1:]...), url: s.url, output: new(tail), ended: make(chan struct{}), silent: true}
	t.cmd.Stdout, t.cmd.Stderr = t.output, t.output
	began := time.Now()
	if err := launch(t.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.argv[0], err)
	}
	t.pid = t.cmd.Process.Pid
	go func() {
		defer close(t.ended)
		_ = t.cmd.Wait()
	}()
	err := poll(ctx, func() (bool, error) {
		select {
		case <-t.ended:
			return false, errors.New("it has ended")
		default:
			return answers(ctx, s.url), nil
		}
	})
	if err == nil {
		t.opened = time.Since(began)
		t.resident, err = residentBytes(t.pid)
	}
	if err != nil {
		t.stop()
		return nil, fmt.Errorf("start %s, which is to answer at %s: %w\n%s", s.argv[0], s.url, err, t.output)
	}
	return t, nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}

// pair is a workload at both servers, one right after the other.
type pair struct{ ours, theirs outcome }

// ratio is one figure of both servers, over all pairs.
type ratio struct {
	Workload string    `json:"workload"`
	Metric   string    `json:"metric"`
	Unit     string    `json:"unit"`
	Pairs    int       `json:"pairs"`
	Theirs   float64   `json:"theirs"` // median
	Ours     float64   `json:"ours"`   // median
	Median   float64   `json:"ratio"`  // of the pairs' ours ÷ theirs
	Min      float64   `json:"ratioMin"`
	Max      float64   `json:"ratioMax"`
	Remarks  []string  `json:"remarks,omitempty"`
	Noise    noise     `json:"noise"` // of the noisiest run
	Values   []float64 `json:"values"`
	Machine  machine   `json:"machine"`
}

// beside runs the workloads at both servers in turn, who begins alternating. What
// was measured is told even if something failed.
func (b *bench) beside(ctx context.Context, s *other, chosen []workload, pairs int, m machine) (ratios []*ratio, err error) {
	there := *b
	there.other = s
	for _, w := range chosen {
		var measured []pair
		for i := range pairs {
			fmt.Fprintf(b.progress, "%s, pair %d of %d\n", w.name, i+1, pairs)
			var p pair
			runs := []func() error{
				func() (err error) { p.theirs, err = w.run(ctx, &there); return err },
				func() (err error) { p.ours, err = w.run(ctx, b); return err },
			}
			if i%2 == 1 {
				slices.Reverse(runs)
			}
			failed := runs[0]()
			if failed == nil {
				failed = runs[1]()
			}
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", w.name, failed))
				break
			}
			measured = append(measured, p)
		}
		ratios = append(ratios, compare(w.name, measured, m)...)
	}
	return ratios, errors.Join(err, ctx.Err())
}

// compare makes a ratio of each metric that both servers have and that is not 0.
func compare(workload string, pairs []pair, m machine) (ratios []*ratio) {
	var ours, theirs []outcome
	for _, p := range pairs {
		ours, theirs = append(ours, p.ours), append(theirs, p.theirs)
	}
	there := map[string]*row{}
	for _, r := range summarize(workload, theirs, m) {
		there[r.Metric] = r
	}
	for _, here := range summarize(workload, ours, m) {
		them := there[here.Metric]
		if them == nil || them.Min <= 0 {
			continue
		}
		r := &ratio{
			Workload: workload, Metric: here.Metric, Unit: here.Unit, Pairs: len(pairs), Machine: m,
			Theirs: them.Median, Ours: here.Median, Noise: here.Noise.worse(them.Noise), Remarks: here.Remarks,
		}
		for _, remark := range them.Remarks {
			r.Remarks = append(r.Remarks, "theirs: "+remark)
		}
		for i, v := range here.Values {
			r.Values = append(r.Values, v/them.Values[i])
		}
		sorted := slices.Sorted(slices.Values(r.Values))
		r.Min, r.Median, r.Max = sorted[0], median(sorted), sorted[len(sorted)-1]
		ratios = append(ratios, r)
	}
	return ratios
}

func writeRatios(w io.Writer, m machine, ratios []*ratio) error {
	fmt.Fprintf(w, "%s\n\n", m)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tmetric\tunit\ttheirs\tours\tratio\tmin–max\tpairs\tidle %\tsteal %\tother %\tremarks")
	for _, r := range ratios {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s–%s\t%d\t%.0f\t%.1f\t%.0f\t%s\n",
			r.Workload, r.Metric, r.Unit, figure(r.Theirs), figure(r.Ours), figure(r.Median), figure(r.Min), figure(r.Max), r.Pairs,
			r.Noise.Idle, r.Noise.Steal, r.Noise.Other, strings.Join(r.Remarks, "; "))
	}
	return t.Flush()
}
