package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A workload may start this program again, to fill a log or to be what is measured.
func TestMain(m *testing.M) {
	maybeFill()
	maybeFloor()
	os.Exit(m.Run())
}

// mostGoroutines is for who is in a room with both connections and does nothing: between
// two and three, and room for what comes and goes. ADR 0031 had them fall from 18 to 7.
const mostGoroutines = 5

// One tiny pass of everything that runs against a server: that packets and
// events are counted, that none is lost when there is next to no load, and that
// each figure is a number. How large it is says nothing here.
func TestEveryWorkloadMeasuresTheServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := &bench{dir: t.TempDir(), window: 300 * time.Millisecond, short: true, progress: io.Discard}
	var err error
	if b.binary, err = buildServer(ctx, b.dir); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		run      func(context.Context, *bench) (outcome, error)
		positive []string // metrics that cannot be 0
	}{
		{"video", forwarding{camera, 1, 3}.run, []string{"CPU per forwarded packet", "packets forwarded", "RSS per participant"}},
		{"audio", forwarding{microphone, 2, 2}.run, []string{"CPU per forwarded packet", "packets forwarded", "RSS per participant"}},
		{"uneven", forwarding{camera.real(), 1, 2}.run, []string{"CPU per forwarded packet", "burst to subscriber, p50"}},
		{"mesh", mesh{camera, 2, 3}.run, []string{"CPU per forwarded packet", "packets forwarded"}},
		{"reliable", messaging{false, 3, 50}.run, []string{"CPU per message delivered", "messages delivered", "message to subscriber, p99"}},
		{"lossy", messaging{true, 3, 50}.run, []string{"CPU per message delivered", "messages delivered", "message to subscriber, p50"}},
		{"first", arriving{camera, 10}.run, []string{"dial to first packet of media, p50"}},
		{"crowd", crowding{5, 20}.run, []string{"CPU per join", "dial to connected, p50"}},
		{"join", joining{media: true, rate: 20}.run, []string{"CPU per join and leave", "dial to connected, p50"}},
		{"signal", joining{rate: 20}.run, []string{"CPU per join and leave", "dial to JoinResponse, p99"}},
		{"http", joining{rate: 20, floor: floorHTTP}.run, []string{"CPU per join and leave", "dial to JoinResponse, p99"}},
		{"sockets", joining{rate: 20, floor: floorSockets}.run, []string{"CPU per join and leave", "dial to JoinResponse, p99"}},
		{"idle", idling{3}.run, []string{"goroutines per participant"}},
		{"hung", oneHung{5, 40}.run, []string{"event to POST of the others, p99, one hung", "p99 with one hung ÷ all well"}},
		{"push", draining{backlog{50_000, 500}}.run, []string{"signed POSTs", "server CPU per POST", "peak RSS"}},
		{"pull", catchingUp{backlog{100_000, 500}}.run, []string{"catch-up of a million events", "the same, client cut off and server killed on the way"}},
		{"backlog", millions{backlog{100_000, 500}}.run, []string{"reopen after kill -9", "peak RSS, pushing", "events pulled"}},
		{"webhook", hooking{40}.run, []string{"event to POST, p50", "API call, durable, p99", "CPU per event with its API call"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := tc.run(ctx, b)
			if err != nil {
				t.Fatal(err)
			}
			figures := make(map[string]float64)
			for _, m := range o.measurements {
				figures[m.metric] = m.value
				if math.IsNaN(m.value) || math.IsInf(m.value, 0) {
					t.Errorf("%s is %v", m.metric, m.value)
				}
			}
			for _, metric := range tc.positive {
				if figures[metric] <= 0 {
					t.Errorf("%s is %v %v", metric, figures[metric], o.measurements)
				}
			}
			if n := figures["goroutines per participant"]; n > mostGoroutines {
				t.Errorf("%v goroutines for an idle participant, want %d at most", n, mostGoroutines)
			}
			for _, remark := range o.remarks {
				// A busy machine may hold up the load; it must lose nothing.
				if !strings.HasPrefix(remark, "load generator") {
					t.Errorf("remark: %s", remark)
				}
			}
			left, err := filepath.Glob(filepath.Join(b.dir, "server-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
	t.Run("beside another", func(t *testing.T) { besideItself(ctx, t, b) })
}

// besideItself compares the server with another, which is the same program.
func besideItself(ctx context.Context, t *testing.T, b *bench) {
	port := freePort(t)
	s := &other{strings.Fields(b.binary + " serve --dev --bind 127.0.0.1 --udp-port 0 --tcp-port 0 --port " + port + " --data-dir " + t.TempDir()), "http://127.0.0.1:" + port}
	chosen := []workload{{name: "video", run: forwarding{camera, 1, 2}.run}, {name: "signal", run: joining{rate: 20}.run}}
	ratios, err := b.beside(ctx, s, chosen, 2, machine{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]*ratio{}
	for _, r := range ratios {
		seen[r.Workload+", "+r.Metric] = r
	}
	for _, name := range []string{"video, CPU per forwarded packet", "signal, CPU per join and leave", "signal, dial to JoinResponse, p50"} {
		if r := seen[name]; r == nil || r.Pairs != 2 || len(r.Values) != 2 || r.Theirs <= 0 || r.Ours <= 0 || r.Min <= 0 || r.Min > r.Median || r.Median > r.Max {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if seen["video, allocations per forwarded packet"] != nil {
		t.Error("another server's allocations are not known")
	}
	if answers(ctx, s.url) {
		t.Error("it was left running")
	}

	taken := &other{s.argv, serveNothing(t)}
	if _, err := taken.start(ctx, b.placement.startServer); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("where somebody listens: %v", err)
	}
	gone := &other{[]string{"false"}, s.url}
	if _, err := gone.start(ctx, b.placement.startServer); err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("a program that ends: %v", err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func serveNothing(t *testing.T) (url string) {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.URL
}

func TestRatiosAreOfPairs(t *testing.T) {
	one := func(v float64, remarks ...string) outcome {
		return outcome{measurements: []measurement{{"m", "µs", v}, {"none", "", 0}}, remarks: remarks}
	}
	ratios := compare("w", []pair{{one(10), one(40)}, {one(30, "LOSS"), one(60, "LOSS")}, {one(20), one(20)}}, machine{})
	if len(ratios) != 1 {
		t.Fatalf("%+v", ratios)
	}
	r := ratios[0]
	if r.Theirs != 40 || r.Ours != 20 || r.Min != 0.25 || r.Median != 0.5 || r.Max != 1 || r.Pairs != 3 || strings.Join(r.Remarks, "|") != "LOSS|theirs: LOSS" {
		t.Errorf("%+v", r)
	}
	var text bytes.Buffer
	if err := writeRatios(&text, machine{CPU: "some CPU"}, ratios); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"some CPU", "0.500", "0.250–1.00", "theirs: LOSS"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
}

func TestGoalsAreOfFiguresThatExist(t *testing.T) {
	names := make(map[string]bool)
	for _, w := range workloads() {
		names[w.name] = true
	}
	for _, g := range goals() {
		if !names[g.workload] {
			t.Errorf("a goal for %s, which is no workload", g.workload)
		}
	}
	for want, got := range map[string]string{
		"≥ 10000: reached": judge("push_200k", "signed POSTs", 10_000),
		"≥ 10000: MISSED":  judge("push_200k", "signed POSTs", 9_999),
		"≤ 1.2: reached":   judge("hung_1_of_100", "p99 with one hung ÷ all well", 1.2),
		"≤ 0: MISSED":      judge("hung_1_of_100", "events lost", 1),
		"":                 judge("push_200k", "peak RSS", 1),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLedgerNoticesWhatIsWrong(t *testing.T) {
	l := new(ledger)
	now := time.Now()
	for _, e := range [][2]uint64{{1, 0}, {2, 0}, {5, 1}, {5, 1}, {70_000, 6}} {
		l.take(e[0], e[1], now, 0)
	}
	var o outcome
	l.audit(&o, 5)
	if l.distinct != 4 || l.duplicates != 1 || l.disorder != 1 || len(o.remarks) != 2 {
		t.Errorf("%d distinct, %d duplicates, %d out of order: %q", l.distinct, l.duplicates, l.disorder, o.remarks)
	}
}

func TestRowsOfWhatWorkedAreKept(t *testing.T) {
	broken := errors.New("broken")
	runs := 0
	fine := func(context.Context, *bench) (o outcome, err error) {
		runs++
		o.add("m", "µs", 1)
		return o, nil
	}
	b := &bench{progress: io.Discard}
	rows, err := b.all(t.Context(), []workload{
		{name: "broken", run: func(context.Context, *bench) (outcome, error) { return outcome{}, broken }},
		{name: "fine", run: fine},
	}, 3, machine{})
	if !errors.Is(err, broken) || strings.Count(err.Error(), "broken: broken") != 1 {
		t.Errorf("error: %v", err)
	}
	if len(rows) != 1 || rows[0].Workload != "fine" || rows[0].Repetitions != 3 || runs != 3 {
		t.Errorf("rows: %v after %d runs", rows, runs)
	}
}

// A benchmark that was renamed would be missed only by whoever runs them all.
func TestBenchmarksOfOtherPackagesExist(t *testing.T) {
	for _, g := range []inProcess{logAppend, deliveryPosts, deliveryLatency, deliverySign, forwardPath, roomEmit} {
		name := regexp.MustCompile(`^\^(Benchmark\w+)\$`).FindStringSubmatch(g.bench)
		if name == nil {
			t.Fatalf("%q does not begin with the name of one benchmark", g.bench)
		}
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(g.pkg), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var tests bytes.Buffer
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(source)
		}
		if !strings.Contains(tests.String(), "func "+name[1]+"(b *testing.B)") {
			t.Errorf("%s has no %s", g.pkg, name[1])
		}
		for unit := range g.metrics {
			// "ns/op" and "allocs/op" are the testing package's own.
			if !strings.HasSuffix(unit, "/op") && !strings.Contains(tests.String(), `"`+unit+`"`) {
				t.Errorf("%s does not report %s", g.pkg, unit)
			}
		}
	}
}

func TestBenchmarkOutputIsRead(t *testing.T) {
	const out = `goos: linux
BenchmarkDurable/writers=16-2         	    4444	     27000 ns/op	       1.5 events/s
BenchmarkSign 	  300000	      3900 ns/op	    2048 B/op	       3 allocs/op
BenchmarkBroken
PASS
`
	want := []reported{
		{"writers=16", "ns/op", 27000}, {"writers=16", "events/s", 1.5},
		{"", "ns/op", 3900}, {"", "B/op", 2048}, {"", "allocs/op", 3},
	}
	got := parseBenchmarks(out)
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestRowsKeepMedianRangeAndTheWorstNoise(t *testing.T) {
	one := func(v float64, n noise, remarks ...string) outcome {
		return outcome{measurements: []measurement{{"m", "µs", v}}, noise: n, remarks: remarks}
	}
	rows := summarize("w", []outcome{
		one(30, noise{Idle: 50, Steal: 0, Other: 5}),
		one(10, noise{Idle: 20, Steal: 3, Other: 1}, "LOSS"),
		one(20, noise{Idle: 90}, "LOSS"),
		one(40, noise{Idle: 90}),
	}, machine{CPU: "some CPU"})
	if len(rows) != 1 {
		t.Fatalf("rows: %v", rows)
	}
	r := rows[0]
	if r.Median != 25 || r.Min != 10 || r.Max != 40 || r.Repetitions != 4 {
		t.Errorf("row: %+v", r)
	}
	if (r.Noise != noise{Idle: 20, Steal: 3, Other: 5}) || len(r.Remarks) != 1 {
		t.Errorf("noise: %+v, remarks %q", r.Noise, r.Remarks)
	}

	var lines, table, markdown bytes.Buffer
	if err := writeJSON(&lines, r.Machine, rows); err != nil {
		t.Fatal(err)
	}
	var back row
	if err := json.Unmarshal(lines.Bytes(), &back); err != nil || back.Median != 25 || back.Machine.CPU != "some CPU" || back.Workload != "w" {
		t.Errorf("JSON line: %s %v", &lines, err)
	}
	if err := writeTable(&table, r.Machine, rows); err != nil {
		t.Fatal(err)
	}
	if err := writeMarkdown(&markdown, r.Machine, rows); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"some CPU", "25.0", "10.0–40.0", "µs", "LOSS"} {
		if !strings.Contains(table.String(), text) {
			t.Errorf("table lacks %q:\n%s", text, &table)
		}
		if !strings.Contains(markdown.String(), text) {
			t.Errorf("Markdown lacks %q:\n%s", text, &markdown)
		}
	}
}
