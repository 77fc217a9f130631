package egress

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

func TestParseStat(t *testing.T) {
	got, ok := parseStat("cpu  100 5 20 700 30 1 2 3 50 0\ncpu0 1 2\ncpu1 3 4\nintr 5\n")
	if want := (ticks{idle: 730, all: 861, processors: 2}); !ok || got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "cpu x\ncpu0 1\n", "cpu 1 2 3 4\n", "cpu0 1\n"} {
		if _, ok := parseStat(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("cpu  100 5 20 700 30 1 2 3 50 0\ncpu0 1 2\n")
	f.Fuzz(func(t *testing.T, stat string) {
		if got, ok := parseStat(stat); ok && (got.processors < 1 || got.all < 1) {
			t.Errorf("%q gives %+v", stat, got)
		}
	})
}

// busy is a machine of two processors that are used to the given percentage.
type busy struct {
	percent atomic.Uint64
	began   time.Time
	idle    uint64
	last    uint64
}

func (b *busy) read() (ticks, bool) {
	now := uint64(time.Since(b.began).Milliseconds())
	b.idle += (now - b.last) * (100 - b.percent.Load()) / 100
	b.last = now
	return ticks{idle: b.idle, all: now, processors: 2}, true
}

func TestBusyMachineBeginsNoRecordingAndEndsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &busy{began: time.Now()}
		s := &Service{opts: Options{Limits: Limits{CPU: 0.9}}, jobs: make(map[string]*job), meter: newMeter(machine.read, func() {})}
		defer s.meter.close()
		wantRefused := func(refused bool, why string) {
			t.Helper()
			err := s.full(wire.Pass, 1)
			e, is := errors.AsType[*Error](err)
			if refused != (err != nil) || refused && (!is || e.Code != ResourceExhausted) {
				t.Errorf("%s: %v", why, err)
			}
		}
		wantRefused(false, "nothing is known yet")
		machine.percent.Store(50)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantRefused(false, "half of it is free")
		machine.percent.Store(97)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantRefused(false, "a moment is no load")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantRefused(true, "it is busy")
		machine.percent.Store(40)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantRefused(false, "it is free again")
		// What has just begun is not measured yet.
		for _, id := range []string{"a", "b"} {
			s.jobs[id] = &job{kind: wire.Encode, process: new(process), taking: taking{size: 1}, info: &livekit.EgressInfo{StartedAt: time.Now().UnixNano()}}
		}
		wantRefused(true, "two encoders are about to be busy")
		s.opts.Limits = Limits{CPU: 2, Jobs: 2}
		wantRefused(true, "there are two")
		s.jobs["a"].info = &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_COMPLETE}
		wantRefused(false, "one has ended")
	})
}
