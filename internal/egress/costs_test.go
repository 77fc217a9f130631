package egress

import (
	"math"
	"strings"
	"testing"
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
		return &job{kind: wire.Browse, process: new(process), taking: taking{size: 1}, info: &livekit.EgressInfo{StartedAt: began.UnixNano()}}
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
	if why := refused(wire.Browse, 1); !strings.Contains(why, "100 MiB of memory left") {
		t.Errorf("without memory: %q", why)
	}
	if why := refused(wire.Encode, 1); why != "" {
		t.Errorf("a room with little memory: %s", why)
	}
}
