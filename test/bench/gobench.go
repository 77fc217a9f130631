package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

const modulePath = "github.com/rollcall-rtc/rollcall"

// inProcess is a Go benchmark of one package. Its figures are those of the
// benchmark's own process, wall time included, and not of the server.
type inProcess struct {
	pkg   string
	bench string // regular expression
	// metrics says what the units of its output mean; others are left out.
	metrics map[string]reportedAs
}

// reportedAs is how a unit of a benchmark's output is told.
type reportedAs struct {
	metric, unit string
	scale        float64 // of the value; 0 is 1
}

// The benchmarks that belong to the record.
var (
	logAppend = inProcess{"internal/eventlog/pebble", "^BenchmarkDurable$", map[string]reportedAs{
		"events/s":     {metric: "durable events", unit: "1/s"},
		"events/sync":  {metric: "events per sync"},
		"cpu-µs/event": {metric: "CPU per event", unit: "µs"},
	}}
	deliveryPosts = inProcess{"internal/delivery", "^BenchmarkPosts$", map[string]reportedAs{
		"POST/s":      {metric: "signed POSTs", unit: "1/s"},
		"cpu-µs/POST": {metric: "CPU per POST, log and receiver included", unit: "µs"},
	}}
	deliveryLatency = inProcess{"internal/delivery", "^BenchmarkLatency$", map[string]reportedAs{
		"p50-µs": {metric: "append to POST, p50", unit: "µs"},
		"p99-µs": {metric: "append to POST, p99", unit: "µs"},
	}}
	deliverySign = inProcess{"internal/delivery", "^BenchmarkSign$", map[string]reportedAs{
		"ns/op": {metric: "sign a request", unit: "ns"},
	}}
	roomEmit = inProcess{"internal/room", "^BenchmarkEmit$", map[string]reportedAs{
		"p50-ns":        {metric: "emit, p50", unit: "µs", scale: 1e-3},
		"p99-ns":        {metric: "emit, p99", unit: "µs", scale: 1e-3},
		"commit-p50-ns": {metric: "have a burst committed, p50", unit: "µs", scale: 1e-3},
		"commit-p99-ns": {metric: "have a burst committed, p99", unit: "µs", scale: 1e-3},
	}}
	forwardPath = inProcess{"internal/sfu/downtrack", "^BenchmarkForward$/./^down=(10|50|200)$", map[string]reportedAs{
		"ns/fwd":    {metric: "wall time per forwarded packet", unit: "ns"},
		"allocs/op": {metric: "allocations per received packet"},
	}}
)

func (g inProcess) run(ctx context.Context, b *bench) (o outcome, err error) {
	u0, err := coreTimes()
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", g.bench,
		"-benchtime", b.window.String(), modulePath+"/"+g.pkg)
	// The log under test is on the same disk as the server's.
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	cmd.WaitDelay = patience
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := b.placement.startAnywhere(cmd); err != nil {
		return o, fmt.Errorf("benchmark %s: %w", g.pkg, err)
	}
	if err := cmd.Wait(); err != nil {
		return o, fmt.Errorf("benchmark %s: %w\n%s", g.pkg, err, &out)
	}
	u1, err := coreTimes()
	if err != nil {
		return o, err
	}
	u1.own = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() // the compiler's, too
	o.noise = u1.since(u0)
	for _, r := range parseBenchmarks(out.String()) {
		m, ok := g.metrics[r.unit]
		if !ok {
			continue
		}
		name := m.metric
		if r.sub != "" {
			name += ", " + r.sub
		}
		if m.scale != 0 {
			r.value *= m.scale
		}
		o.add(name, m.unit, r.value)
	}
	if len(o.measurements) == 0 {
		return o, fmt.Errorf("benchmark %s of %s told nothing:\n%s", g.bench, g.pkg, &out)
	}
	return o, nil
}

// reported is one value of a benchmark's line.
type reported struct {
	sub   string // of the name, what follows the first slash
	unit  string
	value float64
}

// cores is the suffix of a benchmark's name, absent for one.
var cores = regexp.MustCompile(`-\d+$`)

// parseBenchmarks reads the lines "BenchmarkX/sub-2 N value unit value unit ...".
func parseBenchmarks(out string) (all []reported) {
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		_, sub, _ := strings.Cut(cores.ReplaceAllString(fields[0], ""), "/")
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				break
			}
			all = append(all, reported{sub, fields[i+1], v})
		}
	}
	return all
}
