package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// world is a server's event log and its receivers, in virtual time: real HTTP
// over connections in memory.
type world struct {
	t     *testing.T
	store *memory.Store
	log   *eventlog.Log
	eng   *Engine
	pipe  *webhooksink.Pipe
	sinks map[string]*webhooksink.Sink
	hosts []string
	// options are changed before start.
	options Options
	crashes []time.Time
	logged  logBuffer
	// retention is that of the log from openLog on.
	retention eventlog.Retention
	running   atomic.Pointer[Engine] // the last one that was started
}

// inWorld runs script in a bubble, with a receiver per host, and closes what it
// left open.
func inWorld(t *testing.T, script func(*world), hosts ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memory.New(), pipe: webhooksink.NewPipe(), sinks: make(map[string]*webhooksink.Sink)}
		w.options.Random = lockedRandom(1)
		w.options.Transport.DialContext = w.pipe.DialContext
		for _, host := range hosts {
			w.addSink(host)
			w.pipe.Serve(host, w.sinks[host], nil)
		}
		w.openLog()
		defer func() {
			w.stop(time.Minute)
			w.closeLog()
			for _, s := range w.sinks {
				s.Close()
			}
			w.pipe.Close()
		}()
		w.start()
		script(w)
	})
}

func lockedRandom(seed uint64) func() float64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}
}

func (w *world) addSink(host string) {
	w.sinks[host] = webhooksink.New(map[string]string{"devkey": "secret", "newkey": "secret"})
	w.hosts = append(w.hosts, host)
}

func (w *world) openLog() {
	w.t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: w.store, Retention: w.retention})
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = log
}

func (w *world) closeLog() {
	w.t.Helper()
	if err := w.log.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) start() {
	w.t.Helper()
	o := w.options
	o.Log, o.Cursors = w.log, w.log
	o.Logger = slog.New(slog.NewTextHandler(&w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if len(o.Endpoints) == 0 {
		for _, host := range w.hosts {
			o.Endpoints = append(o.Endpoints, hostEndpoint(host))
		}
	}
	eng, err := Start(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.eng = eng
	w.running.Store(eng)
}

func hostEndpoint(host string) Endpoint {
	url := "http://" + host + "/hook"
	return Endpoint{ID: EndpointID(url), URL: url, APIKey: "devkey", Secret: "secret"}
}

// stop closes the engine gracefully and returns what Close said.
func (w *world) stop(patience time.Duration) error {
	if w.eng == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := w.eng.Close(ctx)
	w.eng = nil
	return err
}

// restart is a graceful stop and a start of engine and log.
func (w *world) restart() {
	w.t.Helper()
	w.stop(time.Minute)
	w.closeLog()
	w.openLog()
	w.start()
}

// seldom starts anew with probes ten minutes apart, for scripts of days.
func (w *world) seldom() {
	w.t.Helper()
	w.stop(time.Minute)
	w.options.Breaker.Probes = []time.Duration{time.Second, 10 * time.Minute}
	w.start()
}

// crash leaves the next start with what the store holds at this moment.
func (w *world) crash() {
	w.t.Helper()
	survives := w.store.Clone()
	w.crashes = append(w.crashes, time.Now())
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	w.eng.Close(dead)
	w.closeLog()
	w.store = survives
	w.openLog()
	w.start()
}

// emit appends n events of a room, and waits until they are durable.
func (w *world) emit(room string, n int) {
	w.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = roomEvent(room)
	}
	seq := w.log.Append(events...)
	if err := w.log.Sync(context.Background(), seq); err != nil {
		w.t.Fatal(err)
	}
}

func roomEvent(room string) event.Event {
	return event.Event{
		Name: event.TrackPublished, Time: time.Now(),
		Room:        &livekit.Room{Name: room, Sid: "RM_" + room},
		Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana"},
		Track:       &livekit.TrackInfo{Sid: "TR_1"},
	}
}

// records returns all of the log.
func (w *world) records() []event.Record {
	w.t.Helper()
	var all []event.Record
	for {
		recs, err := w.log.Read(context.Background(), uint64(len(all)), 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(recs) == 0 {
			return all
		}
		all = append(all, recs...)
	}
}

// wantWithin waits, in virtual time, until host accepted n events of room ("" is
// all rooms) and fails if that takes longer.
func (w *world) wantWithin(d time.Duration, host, room string, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	start := time.Now()
	count := func(all []webhooksink.Delivery) int {
		var got int
		for _, a := range webhooksink.Accepted(all) {
			if room == "" || a.Room() == room {
				got++
			}
		}
		return got
	}
	all, err := w.sinks[host].WaitFor(ctx, func(all []webhooksink.Delivery) bool { return count(all) >= n })
	if err != nil {
		w.t.Fatalf("%s accepted %d of %d events of room %q within %s: %v\n%s", host, count(all), n, room, d, err, w.logged.tail())
	}
	synctest.Wait() // the answers are on their way
	w.t.Logf("%s: %d events of room %q after %s", host, n, room, time.Since(start))
}

// wantWhole checks everything that host got against the log: verified by
// LiveKit's receiver, each room in order and without gaps, nothing lost, and no
// duplicate that a timeout or a crash does not explain.
func (w *world) wantWhole(host string) {
	w.t.Helper()
	for _, complaint := range check(w.records(), w.sinks[host].Deliveries(), w.crashes) {
		w.t.Errorf("%s: %s", host, complaint)
	}
}

// crashWindow is how old an acknowledgement may be that a crash forgets: the
// engine gathers cursors for saveDelay and the log for its own 20 ms.
const crashWindow = saveDelay + 20*time.Millisecond + time.Millisecond

// verdicts is what a model knows of one room: per event one place in the log,
// which only a 2xx moves, and what was left behind with notice.
type verdicts struct {
	records  []event.Record
	next     int
	accepted map[int]webhooksink.Delivery // the last acceptance
	behind   map[int]webhooksink.Delivery // left behind, with which notice
}

// check is the model: it reads what one receiver got and complains of whatever
// it was not promised. Late deliveries are of events that were left behind with
// notice; all others are contiguous but for such notice.
func check(records []event.Record, got []webhooksink.Delivery, crashes []time.Time) (complaints []string) {
	complain := func(format string, args ...any) {
		if len(complaints) < 20 {
			complaints = append(complaints, fmt.Sprintf(format, args...))
		}
	}
	rooms := make(map[string]*verdicts)
	index := make(map[string]int)
	for _, r := range records {
		v := rooms[r.Room]
		if v == nil {
			v = &verdicts{accepted: make(map[int]webhooksink.Delivery), behind: make(map[int]webhooksink.Delivery)}
			rooms[r.Room] = v
		}
		index[r.ID] = len(v.records)
		v.records = append(v.records, r)
	}
	for _, d := range got {
		if d.Invalid != "" {
			complain("request %d does not verify: %s", d.N, d.Invalid)
			continue
		}
		i, ok := index[d.ID()]
		if !ok {
			complain("request %d is of event %s, which is not in the log", d.N, d.ID())
			continue
		}
		v := rooms[d.Room()]
		rec := v.records[i]
		if string(d.Body) != string(rec.Body) {
			complain("request %d has another body than the log", d.N)
		}
		if seq := d.Header.Get(headerSeq); seq != strconv.FormatUint(rec.Seq, 10) {
			complain("request %d: sequence %s, want %d", d.N, seq, rec.Seq)
		}
		late := d.Header.Get(headerLate) == "true"
		if prev := d.Header.Get(headerPrevSeq); prev != "" && (i == 0 || prev != strconv.FormatUint(v.records[i-1].Seq, 10)) {
			complain("request %d: previous sequence %s of event %d of room %q", d.N, prev, i, d.Room())
		}
		for j := v.next; j < i; j++ {
			if _, left := v.behind[j]; !left && !announced(d, v.records[j].Seq) {
				complain("request %d: event %d of room %q came while event %d was not accepted, without notice", d.N, i, d.Room(), j)
			}
		}
		if notice, left := v.behind[i]; left {
			if !late && !explained(notice, d, crashes) {
				complain("request %d: event %d of room %q was left behind with request %d and is not marked late", d.N, i, d.Room(), notice.N)
			}
		} else if before, again := v.accepted[i]; again && !explained(before, d, crashes) {
			complain("request %d: event %d of room %q came again at %s, it was accepted with request %d at %s",
				d.N, i, d.Room(), d.At, before.N, before.At)
		} else if i < v.next && !again {
			complain("request %d: event %d of room %q came after event %d", d.N, i, d.Room(), v.next-1)
		}
		if d.Accepted() {
			for j := v.next; j < i; j++ {
				v.behind[j] = d
			}
			delete(v.behind, i)
			v.accepted[i] = d
			v.next = max(v.next, i+1)
		}
	}
	for room, v := range rooms {
		if len(v.accepted) != len(v.records) {
			complain("room %q: %d of %d events accepted", room, len(v.accepted), len(v.records))
		}
	}
	return complaints
}

// announced says whether d told of seq as a gap.
func announced(d webhooksink.Delivery, seq uint64) bool {
	return slices.Contains(strings.Split(d.Header.Get(headerGap), ","), strconv.FormatUint(seq, 10))
}

// explained says whether the sender could not know that d was accepted before.
func explained(before, d webhooksink.Delivery, crashes []time.Time) bool {
	if before.Fault.ResetAfter {
		return true
	}
	answered := before.At.Add(before.Fault.Delay)
	if before.Fault.SlowBody || before.Fault.BodySize > 0 {
		answered = answered.Add(drainTime) // until then it is in flight
	}
	for _, c := range crashes {
		if !d.At.Before(c) && !answered.Before(c.Add(-crashWindow)) {
			return true
		}
	}
	return false
}

// logBuffer keeps log lines for failures.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) tail() string {
	s := l.String()
	return s[max(0, len(s)-4000):]
}
