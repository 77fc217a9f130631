package frames

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

var begin = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// sound is a track of packets, one each step, with a clock that runs fast by that part of
// a million.
type sound struct {
	t      *testing.T
	track  *Track
	seq    uint16
	ppm    float64
	step   time.Duration
	passed time.Duration // since the beginning
	offset uint32        // of the clock, in ticks
}

func newSound(t *testing.T, ppm float64) *sound {
	return &sound{t: t, track: opus(t), ppm: ppm, step: 20 * time.Millisecond}
}

func opus(t *testing.T) *Track {
	t.Helper()
	track, err := New(container.Opus, 48000)
	if err != nil {
		t.Fatal(err)
	}
	return track
}

// shows is what the clock shows of what was captured so long after the beginning.
func (s *sound) shows(passed time.Duration) uint32 {
	return s.offset + uint32(int64(passed.Seconds()*48000*(1+s.ppm/1e6)))
}

// next sends the next packet, with that much delay, and returns when it is said to
// have been captured, since the beginning.
func (s *sound) next(delay time.Duration) time.Duration {
	s.t.Helper()
	s.seq++
	s.passed += s.step
	came := begin.Add(s.passed + delay)
	s.track.Push(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: s.shows(s.passed)}, Payload: []byte{0xf8, 0xff, 0xfe}}, came)
	f, _, ok := s.track.Next(came, false)
	if !ok {
		s.t.Fatal("no frame")
	}
	return f.At.Sub(begin)
}

// report tells what the clock shows now.
func (s *sound) report() { s.track.Clock(begin.Add(s.passed), s.shows(s.passed)) }

func TestReportBeforeTheFirstPacketSetsTheClock(t *testing.T) {
	s := newSound(t, 0)
	s.report()
	if at := s.next(300 * time.Millisecond); (at - s.passed).Abs() > time.Millisecond {
		t.Errorf("captured at %v, said to be at %v", s.passed, at)
	}
}

func TestFirstPacketsDelayIsMadeUpForALittleAtATime(t *testing.T) {
	s := newSound(t, 0)
	at := s.next(150 * time.Millisecond)
	if off := at - s.passed; off != 150*time.Millisecond {
		t.Errorf("before a report it is off by %v", off)
	}
	s.report()
	last := at
	for range 500 {
		at := s.next(0)
		if step := at - last; step < 19500*time.Microsecond || step > 20500*time.Microsecond {
			t.Fatalf("a step of %v", step)
		}
		last = at
	}
	if off := last - s.passed; off.Abs() > time.Millisecond {
		t.Errorf("after 10 s it is off by %v", off)
	}
}

// A day of a clock that is wrong by 200 of a million, which is 17 seconds.
func TestADayOfAFastClockDoesNotDrift(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		s := newSound(t, ppm)
		s.step = 500 * time.Millisecond
		s.report()
		worst := time.Duration(0)
		for n := range 24 * 3600 * 2 {
			if n%10 == 0 {
				s.report()
			}
			worst = max(worst, (s.next(0) - s.passed).Abs())
		}
		if worst > 20*time.Millisecond {
			t.Errorf("%v ppm: off by up to %v", ppm, worst)
		}
	}
}

func TestClockThatIsSetIsFollowedAtOnce(t *testing.T) {
	s := newSound(t, 0)
	s.report()
	s.next(0)
	s.track.Clock(begin.Add(time.Hour), s.shows(s.passed))
	if off := s.next(time.Hour) - s.passed - time.Hour; off.Abs() > 25*time.Millisecond {
		t.Errorf("off by %v", off)
	}
}

// Times of half a day later, or earlier, that a publisher says are none: they would have
// half a day of silence recorded, and nothing of what follows.
func TestTimesThatNobodyCanHaveCapturedAreNotFollowed(t *testing.T) {
	const far = 1<<31 - 1
	for name, jump := range map[string]func(s *sound) (back func()){
		"a packet later":      func(s *sound) func() { s.offset += far; return func() { s.offset -= far } },
		"a packet earlier":    func(s *sound) func() { s.offset -= far; return func() { s.offset += far } },
		"packets from now on": func(s *sound) func() { s.offset += far; return func() {} },
		"a report": func(s *sound) func() {
			s.track.Clock(begin.Add(s.passed), s.shows(s.passed)+far)
			return s.report
		},
		"a report of before": func(s *sound) func() {
			s.track.Clock(begin.Add(s.passed), s.shows(s.passed)-far)
			return s.report
		},
	} {
		for _, first := range []bool{true, false} {
			s := newSound(t, 0)
			if !first {
				s.report()
				for range 50 {
					s.next(0)
				}
			}
			back := jump(s)
			if off := s.next(0) - s.passed; off.Abs() > maxSlew {
				t.Errorf("%s, first: %v: it is taken to be captured %v after it came", name, first, off)
			}
			back()
			for range 10 {
				if off := s.next(0) - s.passed; off.Abs() > maxSlew {
					t.Fatalf("%s, first: %v: what follows is off by %v", name, first, off)
				}
			}
		}
	}
}

// What was kept since the last key frame comes at once: its first is not of that
// moment, but as much earlier as the last of it is.
func TestWhatWasKeptBeforeTheBeginningDelaysNothing(t *testing.T) {
	s := newSound(t, 0)
	const kept = 300 * time.Millisecond
	last := time.Duration(-1)
	for s.passed < kept {
		at := s.next(kept - s.passed - s.step)
		if at <= last {
			t.Fatalf("%v after %v", at, last)
		}
		last = at
	}
	for range 100 {
		at := s.next(0)
		if at <= last {
			t.Fatalf("%v after %v", at, last)
		}
		last = at
	}
	if off := last - s.passed; off.Abs() > time.Millisecond {
		t.Errorf("two seconds later it is off by %v", off)
	}
	// A report knows more than that.
	s.track.Clock(begin.Add(s.passed), s.shows(s.passed-20*time.Millisecond))
	for range 200 {
		last = s.next(0)
	}
	if off := last - s.passed; (off - 20*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("what a report says is 20 ms later is off by %v", off)
	}
}
