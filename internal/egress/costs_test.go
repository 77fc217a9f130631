package egress

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// A page is expected to take what pages take until it does, and the next what this one
// took.
func TestJobIsExpectedToTakeWhatOthersTook(t *testing.T) {
	began := time.Now()
	s := &Service{costs: make(costs), jobs: make(map[string]*job)}
	page := func() *job {
		return &job{kind: wire.Browse, process: new(process), taking: taking{size: 1, since: began}, info: new(livekit.EgressInfo)}
	}
	j := page()
	want := func(what string, after time.Duration, want float64) {
		t.Helper()
		if got := s.coming(j, began.Add(after)); math.Abs(got-want) > 0.001 {
			t.Errorf("%s: it is to take %v processors more, want %v", what, got, want)
		}
	}
	want("at the beginning", 0, 1.2)
	at := began
	use := func(seconds int, processors float64) {
		for range seconds {
			at = at.Add(time.Second)
			var before time.Duration
			if n := len(j.taking.last); n > 0 {
				before = j.taking.last[n-1].cpu
			}
			s.weighed(j, at, before+time.Duration(processors*float64(time.Second)))
		}
	}
	use(6, 0.1)
	want("while its browser starts", 6*time.Second, 1.1)
	use(6, 0.8)
	want("while its page loads", 12*time.Second, 0.4)
	use(4, 2)
	want("while it takes more than it should", 16*time.Second, 0)
	use(4, 0.8)
	if !j.taking.known {
		t.Fatal("it is not known what it takes")
	}
	want("when it is known", 21*time.Second, 0)
	// Half of what was thought, half of what was measured.
	if got := s.costs.of(wire.Browse, 1); got < 0.95 || got > 1.2 {
		t.Errorf("the next is to take %v processors", got)
	}
	for range 20 { // whose pages stand still
		s.costs.learn(wire.Browse, 0)
	}
	if got := s.costs.of(wire.Browse, 1); got != 0.6 {
		t.Errorf("the next is to take %v processors, want half of a guess", got)
	}
	if got := s.costs.of(wire.Browse, sizeOf(&wire.Encoding{Width: 1920, Height: 1080, Framerate: 60})); got < 2 || got > 2.3 {
		t.Errorf("a large one is to take %v processors", got)
	}
}

// A recording that waits for media takes nothing, however long: the next takes as much as
// others did all the same, and so will this one.
func TestJobThatWaitsForMediaTeachesNothing(t *testing.T) {
	s := &Service{costs: make(costs), jobs: make(map[string]*job)}
	asked := time.Now()
	j := &job{s: s, kind: wire.Encode, process: new(process), taking: taking{size: 1}, info: &livekit.EgressInfo{StartedAt: asked.UnixNano()}}
	at, cpu := asked, time.Duration(0)
	use := func(seconds int, processors float64) {
		for range seconds {
			at, cpu = at.Add(time.Second), cpu+time.Duration(processors*float64(time.Second))
			s.weighed(j, at, cpu)
		}
	}
	use(60, 0)
	if got := s.coming(j, at); got != 0.6 || j.taking.known || s.costs.of(wire.Encode, 1) != 0.6 {
		t.Errorf("while it waits it is to take %v processors more, and the next %v; known: %v", got, s.costs.of(wire.Encode, 1), j.taking.known)
	}
	j.taking.since = at
	use(9, 0.8)
	if got := s.coming(j, at); got != 0 || j.taking.known {
		t.Errorf("while it begins it is to take %v processors more; known: %v", got, j.taking.known)
	}
	use(1, 0.8)
	if got := s.costs.of(wire.Encode, 1); !j.taking.known || math.Abs(got-0.7) > 0.001 {
		t.Errorf("the next is to take %v processors; known: %v", got, j.taking.known)
	}
}

// The first media is when the worker tells of it.
func TestFirstMediaBeginsToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Service{jobs: make(map[string]*job)}
		// Not starting any more, so that nobody has to be told.
		j := &job{s: s, kind: wire.Encode, info: &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_ENDING}}
		time.Sleep(time.Hour)
		first := time.Now()
		for range 2 {
			j.heard(wire.Report{Kind: wire.Active, Begun: first.UnixNano()}, wire.Report{})
			time.Sleep(time.Second)
		}
		if !j.taking.since.Equal(first) {
			t.Errorf("it was there at %v, want %v", j.taking.since, first)
		}
	})
}

// Beside others nothing begins that takes what they need; alone it may.
func TestPageBeginsBesideOthersOnlyWithRoom(t *testing.T) {
	s := &Service{opts: Options{Limits: Limits{CPU: 0.9}}, costs: make(costs), jobs: make(map[string]*job)}
	s.meter = &meter{last: []ticks{{idle: 0, all: 0, processors: 2}, {idle: 40, all: 100, processors: 2}}} // 60 % busy
	refused := func(kind wire.Kind, size float64) string {
		if err := s.full(kind, size); err != nil {
			return err.Error()
		}
		return ""
	}
	if why := refused(wire.Browse, 1); why != "" {
		t.Errorf("alone: %s", why)
	}
	s.jobs["a"] = &job{kind: wire.Pass, process: new(process), taking: taking{known: true}, info: new(livekit.EgressInfo)}
	if why := refused(wire.Browse, 1); !strings.Contains(why, "takes about 1.2 processors") {
		t.Errorf("beside another: %q", why)
	}
	if why := refused(wire.Encode, 1); why != "" {
		t.Errorf("a room beside another: %s", why)
	}
	if why := refused(wire.Encode, 3); why == "" {
		t.Error("a large room begins beside another")
	}
	delete(s.jobs, "a")
	s.free = func() (int64, bool) { return 100 << 20, true }
	if why := refused(wire.Browse, 1); !strings.Contains(why, "100 MiB of memory are left") {
		t.Errorf("without memory: %q", why)
	}
	if why := refused(wire.Encode, 1); why != "" {
		t.Errorf("a room with little memory: %s", why)
	}
	s.meter, s.opts.Limits.CPU = nil, 0
	if why := refused(wire.Browse, 1); !strings.Contains(why, "100 MiB of memory are left") {
		t.Errorf("without memory, and without a limit of processors: %q", why)
	}
}
