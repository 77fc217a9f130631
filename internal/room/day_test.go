package room

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

var visits = flag.Int("visits", 30, "how many come in each hour of a day of churn")

// day is the heart of a server for a day of virtual time: rooms, whose connections
// alone are fakes, the log, on a file system in memory, and delivery to one receiver,
// by HTTP over connections in memory.
type day struct {
	*test
	random *rand.Rand
	store  *pebble.Store
	log    *eventlog.Log
	engine atomic.Pointer[delivery.Engine] // nil before it is started
	pipe   *webhooksink.Pipe
	sink   *webhooksink.Sink

	here    []visit
	came    int
	judged  uint64         // seq of the last record that was compared
	told    map[string]int // accepted, by the event's name
	measure []measured     // at the end of each hour
}

// visit is somebody who is in a room.
type visit struct {
	*client
	until time.Time
}

// measured is what there is when everybody has left.
type measured struct {
	goroutines int
	heap       uint64 // bytes
	disk       uint64 // bytes
	records    uint64 // that are kept
	values     int    // that the log keeps for its readers
}

const (
	dayKept = 2 * time.Hour // of events
	dayKey  = "a-secret-of-at-least-32-characters"
)

func inDay(t *testing.T, script func(d *day)) {
	synctest.Test(t, func(t *testing.T) {
		d := &day{
			test: &test{t: t, identities: map[string]string{}}, random: rand.New(rand.NewPCG(1, 2)),
			pipe: webhooksink.NewPipe(), sink: webhooksink.New(map[string]string{"key": dayKey}), told: map[string]int{},
		}
		d.pipe.Serve("app", d.sink, nil)
		var err error
		d.store, err = pebble.Open(pebble.Options{Dir: "events", FS: vfs.NewMem(), MemTableSize: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		d.log, err = eventlog.Open(eventlog.Options{Store: d.store, Retention: eventlog.Retention{Age: dayKept, Hold: d.needed}})
		if err != nil {
			t.Fatal(err)
		}
		engine, err := delivery.Start(delivery.Options{
			Log: d.log, Cursors: d.log, Transport: delivery.TransportOptions{DialContext: d.pipe.DialContext},
			Endpoints: []delivery.Endpoint{{ID: "app", URL: "http://app/hook", APIKey: "key", Secret: dayKey, Filter: delivery.Filter{Events: []string{"*"}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		d.engine.Store(engine)
		d.reg = NewRegistry(Options{
			Publish: d.log.Enqueue, Commit: d.log.Commit, Sync: d.log.Sync, Kept: d.log, Media: fakeMedia{},
			ServerInfo: &livekit.ServerInfo{Version: "1.9.0"},
		})
		script(d)
		ctx := context.Background()
		if err := errors.Join(d.reg.Close(ctx), engine.Close(ctx), d.log.Close(ctx)); err != nil {
			t.Errorf("close: %v", err)
		}
		d.sink.Close()
		d.pipe.Close()
	})
}

// needed is the lowest seq that the receiver has not accepted.
func (d *day) needed() uint64 {
	engine := d.engine.Load()
	if engine == nil {
		return 1
	}
	seq := uint64(math.MaxUint64)
	for _, p := range engine.Needs() {
		seq = min(seq, p.Seq)
	}
	return seq
}

// arrive has somebody come into one of the rooms, or into one of their own, and publish.
func (d *day) arrive() {
	d.came++
	room, identity := fmt.Sprintf("room-%d", d.random.IntN(8)), fmt.Sprintf("guest-%d", d.came)
	switch d.random.IntN(4) {
	case 0:
		room = fmt.Sprintf("meeting-%d", d.came)
	case 1:
		identity = fmt.Sprintf("regular-%d", d.random.IntN(10)) // who may be there already
	}
	c := d.accept(joinOf(room, identity))
	if d.random.IntN(20) == 0 {
		c.h.SignalLost(c.sink) // and never comes up
		return
	}
	c.transport(peer.Connected)
	if d.random.IntN(3) > 0 {
		c.publishCamera()
	}
	if d.random.IntN(3) > 0 {
		c.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		c.end(c.media("mic", "audio"))
	}
	d.here = append(d.here, visit{c, time.Now().Add(time.Duration(d.random.IntN(1200)) * time.Second)})
}

// depart ends somebody's visit, in one of the ways there are.
func (d *day) depart(c *client) {
	switch d.random.IntN(6) {
	case 0: // the connection breaks
		c.h.SignalLost(c.sink)
		c.transport(peer.Failed)
	case 1: // it breaks, is mended, and then they go
		c.transport(peer.Disconnected)
		h, err := d.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink)
		if _, gone := errors.AsType[*Gone](err); err != nil && !gone {
			d.t.Errorf("resume: %v", err)
		} else if err == nil {
			c.h = h
			c.transport(peer.Connected)
		}
		c.leave()
	case 2: // the room ends
		if err := d.reg.Delete(context.Background(), c.join.Room); err != nil && !errors.Is(err, ErrRoomNotFound) {
			d.t.Errorf("delete room: %v", err)
		}
	case 3: // they are told to go, if they are there
		_, _ = d.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{Room: c.join.Room, Identity: c.join.Identity, Name: "x"})
		_ = d.reg.RemoveParticipant(context.Background(), c.join.Room, c.join.Identity, time.Unix(1, 0))
	default:
		c.leave()
	}
}

// hour is one of coming and going, after which nobody is left and all is told.
func (d *day) hour() {
	start := time.Now()
	for next := start; next.Sub(start) < 45*time.Minute; {
		d.here = slices.DeleteFunc(d.here, func(v visit) bool {
			due := !v.until.After(time.Now())
			if due {
				d.depart(v.client)
			}
			return due
		})
		d.arrive()
		next = next.Add(time.Duration(float64(90*time.Minute) / float64(*visits) * d.random.Float64()))
		sleep(time.Until(next))
	}
	for _, v := range d.here {
		d.depart(v.client)
	}
	d.here, d.identities = nil, map[string]string{}
	sleep(time.Until(start.Add(time.Hour)))
	d.judge()
	d.count()
}

// judge compares what was accepted since the last time with the log: each event once,
// those of a room in order.
func (d *day) judge() {
	want, got := map[string][]string{}, map[string][]string{}
	for {
		records, err := d.log.Read(context.Background(), d.judged, 1000)
		if err != nil {
			d.t.Fatalf("read the log: %v", err)
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			d.judged = r.Seq
			want[r.Room] = append(want[r.Room], r.ID)
			d.told[string(r.Name)]++
		}
	}
	for _, a := range d.sink.Deliveries() {
		if a.Accepted() {
			got[a.Room()] = append(got[a.Room()], a.ID())
		}
		if a.Invalid != "" {
			d.t.Errorf("a request is not valid: %s", a.Invalid)
		}
	}
	d.sink.Reset()
	for room := range want {
		if !slices.Equal(want[room], got[room]) {
			d.t.Errorf("events of %s (-happened +accepted):\n%s", room, cmp.Diff(want[room], got[room]))
		}
		delete(got, room)
	}
	if len(got) > 0 {
		d.t.Errorf("events that did not happen were accepted: %v", got)
	}
}

func (d *day) count() {
	d.t.Helper()
	if stats := d.reg.Stats(); stats.Rooms != 0 || stats.Participants != 0 {
		d.t.Errorf("there is somebody left: %+v", stats)
	}
	values, err := d.store.Values("", "", 0)
	if err != nil {
		d.t.Fatal(err)
	}
	// Attempts, and whose tokens are revoked, are remembered for longer than a day.
	values = slices.DeleteFunc(values, func(v eventlog.Value) bool {
		return strings.HasPrefix(v.Key, "delivery-att") || strings.HasPrefix(v.Key, RevocationPrefix)
	})
	runtime.GC()
	runtime.GC() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	d.measure = append(d.measure, measured{runtime.NumGoroutine(), m.HeapAlloc, d.log.DiskUsage(), d.log.Last() + 1 - d.log.First(), len(values)})
}

func TestADayOfComingAndGoingLeavesNothingBehind(t *testing.T) {
	inDay(t, func(d *day) {
		for hour := range 24 {
			outage := hour == 9
			d.sink.Script(func(a *webhooksink.Delivery) (f webhooksink.Fault) {
				switch a.N % 50 {
				case 7:
					f.Status = 503
				case 23:
					f.Reset = true // without an answer, which is not accepted
				case 41:
					f.Delay = 30 * time.Second // the sender gives up
					f.Status = 500
				}
				return f
			})
			if outage { // nobody hears of anything for a while
				d.pipe.SetDown("app:80", true)
				time.AfterFunc(30*time.Minute, func() { d.pipe.SetDown("app:80", false) })
			}
			d.hour()
		}
		told := func(n event.Name) int { return d.told[string(n)] }
		for opens, closes := range map[event.Name]event.Name{
			event.RoomStarted: event.RoomFinished, event.ParticipantJoined: event.ParticipantLeft, event.TrackPublished: event.TrackUnpublished,
		} {
			if told(opens) != told(closes) || told(opens) == 0 {
				t.Errorf("%d %s, %d %s", told(opens), opens, told(closes), closes)
			}
		}
		if told(event.ParticipantConnectionAborted) == 0 {
			t.Error("nobody gave up on the way in")
		}
		for hour, m := range d.measure {
			t.Logf("hour %2d: %d goroutines, heap %d KiB, %d KiB on disk, %d records and %d values", hour+1, m.goroutines, m.heap>>10, m.disk>>10, m.records, m.values)
		}
		// Once events are old enough to be forgotten, one hour is like another.
		early, late := d.measure[5:12], d.measure[17:24]
		for what, of := range map[string]func(measured) int{
			"goroutines":      func(m measured) int { return m.goroutines },
			"KiB of the heap": func(m measured) int { return int(m.heap >> 10) },
			"KiB on the disk": func(m measured) int { return int(m.disk >> 10) },
			"records":         func(m measured) int { return int(m.records) },
			"values":          func(m measured) int { return m.values },
		} {
			before, after := mostOf(early, of), mostOf(late, of)
			spare := before / 5
			if what == "KiB of the heap" {
				spare = 6 << 10 // delivery keeps the newest records, some megabytes of them
			}
			if after > before+spare {
				t.Errorf("%s grow: %d in the first half of the day, %d in the second", what, before, after)
			}
		}
	})
}

func mostOf(all []measured, of func(measured) int) (most int) {
	for _, m := range all {
		most = max(most, of(m))
	}
	return most
}
