package egress

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// guesses are how many processors a job of a kind takes, at 720p30, until others of the
// kind have been measured.
var guesses = map[wire.Kind]float64{wire.Pass: 0.02, wire.Mix: 0.1, wire.Encode: 0.6, wire.Browse: 1.2}

// settling is how long after its first media a job does not yet take what it will: a
// page goes on loading. Those that are not measured take little.
var settling = map[wire.Kind]time.Duration{wire.Pass: meterSpan, wire.Mix: meterSpan, wire.Encode: 10 * time.Second, wire.Browse: 20 * time.Second}

// costs are how many processors jobs of a kind take, as the last ones did.
type costs map[wire.Kind]float64

// of is what a job of a kind and a size takes.
func (c costs) of(kind wire.Kind, size float64) float64 {
	if learned, ok := c[kind]; ok {
		return learned * size
	}
	return guesses[kind] * size
}

// learn takes note of what a job took. One that had nothing to do, or was not let, says
// little of the next.
func (c costs) learn(kind wire.Kind, took float64) {
	c[kind] = max((c.of(kind, 1)+took)/2, guesses[kind]/2)
}

// sizeOf is how much of the work a job is that one of 720p30 is: part of it is the same
// for every size.
func sizeOf(e *wire.Encoding) float64 {
	if e == nil {
		return 1
	}
	const usual, same = 1280 * 720 * 30, 0.3
	return same + (1-same)*float64(e.Width)*float64(e.Height)*float64(e.Framerate)/usual
}

// taking is what a job takes, while it settles.
type taking struct {
	size  float64   // see sizeOf
	now   float64   // processors, over the last seconds
	known bool      // it has settled: the meter has seen all of it
	last  []used    // oldest first
	since time.Time // when the first media was there; zero while it waits for that
}

// used is what had been used at a moment.
type used struct {
	at  time.Time
	cpu time.Duration
}

// add notes what has been used.
func (t *taking) add(at time.Time, cpu time.Duration) {
	if t.last = append(t.last, used{at, cpu}); len(t.last) > int(meterSpan/meterStep)+1 {
		t.last = t.last[1:]
	}
	first := t.last[0]
	if passed := at.Sub(first.at); passed > 0 {
		t.now = max((cpu-first.cpu).Seconds()/passed.Seconds(), 0)
	}
}

// settled says whether what is taken is what will be. Who waits for media has nothing to
// do yet, however long.
func (t *taking) settled(kind wire.Kind, now time.Time) bool {
	return !t.since.IsZero() && now.Sub(t.since) >= settling[kind]
}

// weigh measures what jobs take that settle. The meter calls it with each step.
func (s *Service) weigh() {
	young := make(map[*job]int) // with the ids of their workers
	s.mu.Lock()
	for _, j := range s.jobs {
		if j.runs() && !j.taking.known && (j.kind == wire.Encode || j.kind == wire.Browse) {
			young[j] = j.process.id()
		}
	}
	s.mu.Unlock()
	for j, pid := range young {
		usage, err := spawn.UsageOf(pid)
		if err != nil {
			continue // it has just ended, or this is no Linux
		}
		s.weighed(j, time.Now(), usage.CPU)
	}
}

// weighed notes what a job had used at a moment.
func (s *Service) weighed(j *job, at time.Time, cpu time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.taking.add(at, cpu)
	if j.taking.settled(j.kind, at) {
		j.taking.known = true
		s.costs.learn(j.kind, j.taking.now/max(j.taking.size, 0.1))
		j.taking.last = nil
	}
}

// coming is how many processors a job will take beyond what it does; Service.mu must
// be held.
func (s *Service) coming(j *job, now time.Time) float64 {
	if j.taking.known || j.taking.settled(j.kind, now) {
		return 0
	}
	return max(s.costs.of(j.kind, j.taking.size)-j.taking.now, 0)
}

// runs says whether a job has a worker that has not ended; Service.mu must be held.
func (j *job) runs() bool { return j.process != nil && !ended(j.info.Status) && j.final == nil }
