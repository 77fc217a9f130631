package delivery

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

// benchReceiver is as cheap as a net/http receiver can be: the figures are
// those of the sender, as far as one process allows.
type benchReceiver struct {
	got     atomic.Int64
	want    int64
	done    chan struct{}
	onEvent func(*http.Request)
}

func (r *benchReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	io.Copy(io.Discard, req.Body)
	if r.onEvent != nil {
		r.onEvent(req)
	}
	w.Header().Set("Content-Length", "0")
	if r.got.Add(1) == r.want {
		close(r.done)
	}
}

func benchEngine(b *testing.B, r *benchReceiver) (*eventlog.Log, *Engine) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: r}
	go srv.Serve(l)
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		b.Fatal(err)
	}
	eng, err := Start(Options{Log: log, Cursors: log, Endpoints: []Endpoint{
		{ID: "bench", URL: "http://" + l.Addr().String() + "/hook", APIKey: "devkey", Secret: "secret"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		eng.Close(context.Background())
		log.Close(context.Background())
		srv.Close()
	})
	return log, eng
}

// cpuTime is what this process has used of all cores: on a machine that does
// other things too it says more than the wall clock.
func cpuTime(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkPosts is how many signed requests a second one endpoint is sent, one
// event each, over 1,000 rooms, with the receiver in the same process. Its CPU
// time covers all of it: log, engine and receiver.
func BenchmarkPosts(b *testing.B) {
	r := &benchReceiver{want: int64(b.N), done: make(chan struct{})}
	log, eng := benchEngine(b, r)
	rooms := make([]string, 1000)
	for i := range rooms {
		rooms[i] = fmt.Sprint("room", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	busy := cpuTime(b)
	for i := range b.N {
		log.Append(roomEvent(rooms[i%len(rooms)]))
	}
	<-r.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "POST/s")
	b.ReportMetric(float64((cpuTime(b)-busy).Microseconds())/float64(b.N), "cpu-µs/POST")
	if s := eng.Stats()[0]; s.Failures != 0 {
		b.Errorf("%+v", s)
	}
}

// BenchmarkLatency is the time from Append to the arrival of the request at
// 1,000 events a second over 100 rooms. The store is in memory: what the disk
// adds is the log's to report.
func BenchmarkLatency(b *testing.B) {
	var mu sync.Mutex
	appended := make([]time.Time, b.N+1) // by Seq
	took := make([]time.Duration, 0, b.N)
	r := &benchReceiver{want: int64(b.N), done: make(chan struct{})}
	r.onEvent = func(req *http.Request) {
		now := time.Now()
		seq, _ := strconv.Atoi(req.Header.Get(headerSeq))
		mu.Lock()
		took = append(took, now.Sub(appended[seq]))
		mu.Unlock()
	}
	log, _ := benchEngine(b, r)
	b.ResetTimer()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range b.N {
		<-tick.C
		ev := roomEvent("room" + strconv.Itoa(i%100))
		mu.Lock()
		appended[i+1] = time.Now()
		mu.Unlock()
		log.Append(ev)
	}
	<-r.done
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSign is what an attempt costs beside the request itself.
func BenchmarkSign(b *testing.B) {
	rec := signRecord()
	rec.Body = append(rec.Body, make([]byte, 1024-len(rec.Body))...)
	s := newSigner(&Endpoint{APIKey: "devkey", Secret: "secret"})
	b.ReportAllocs()
	for b.Loop() {
		s.headers(rec, rec.Body, &details{prev: 800, attempt: 1}, signNow)
	}
}
