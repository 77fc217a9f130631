package frames

import (
	"fmt"
	"testing"
	"time"
)

// lies reports that all was captured by that much later than it was.
func (s *sound) lies(by time.Duration) { s.track.Clock(begin.Add(s.passed+by), s.shows(s.passed)) }

const ms = time.Millisecond

// live has a track go on for so long, with reports that are off by what is said of each
// moment, two a second, and packets that come up to 60 ms late. It returns how far what
// is told is from when it was captured, at each step.
func live(s *sound, last time.Duration, off func(since time.Duration) time.Duration) (all []time.Duration) {
	s.t.Helper()
	for n := range int(last / s.step) {
		if n%25 == 0 {
			s.lies(off(time.Duration(n) * s.step))
		}
		delay := time.Duration(n%4) * 20 * ms
		told := s.next(delay)
		if early := told - s.passed - delay; early > maxAhead+2*ms {
			s.t.Fatalf("%v after the beginning: told to be captured %v after it came", s.passed, early)
		}
		all = append(all, told-s.passed)
	}
	return all
}

// worst is the least and the most of it.
func worst(all []time.Duration) (least, most time.Duration) {
	least, most = all[0], all[0]
	for _, d := range all {
		least, most = min(least, d), max(most, d)
	}
	return least, most
}

func TestReportsThatAreAheadOfTheirPacketsAreCorrectedAtOnce(t *testing.T) {
	for _, off := range []time.Duration{300 * ms, time.Second, 1900 * ms, 5 * time.Second} {
		for _, early := range []bool{true, false} {
			t.Run(fmt.Sprint(off, early), func(t *testing.T) {
				s := newSound(t, 0)
				if !early {
					s.next(0)
				}
				least, most := worst(live(s, 30*time.Second, func(time.Duration) time.Duration { return off }))
				if least < -maxAhead || most > maxAhead+2*ms {
					t.Errorf("off by %v to %v", least, most)
				}
			})
		}
	}
}

func TestReportsThatAreBehindTheirPacketsAreCorrectedSoon(t *testing.T) {
	for _, off := range []time.Duration{300 * ms, time.Second, 1900 * ms, 5 * time.Second} {
		t.Run(off.String(), func(t *testing.T) {
			s := newSound(t, 0)
			all := live(s, 30*time.Second, func(time.Duration) time.Duration { return -off })
			if least, most := worst(all[7*50:]); least < -maxBehind || most > maxAhead {
				t.Errorf("after 7 s it is off by %v to %v", least, most)
			}
		})
	}
}

// A clock that is a little off, and comes late by a network only, is believed.
func TestReportsThatCanBeRightAreBelieved(t *testing.T) {
	for _, off := range []time.Duration{-150 * ms, 30 * ms} {
		s := newSound(t, 0)
		s.lies(off)
		if least, most := worst(live(s, 30*time.Second, func(time.Duration) time.Duration { return off })); least < off-ms || most > off+ms {
			t.Errorf("what is off by %v is told to be by %v to %v", off, least, most)
		}
	}
	// A network that has all wait for three seconds.
	s := newSound(t, 0)
	none := func(time.Duration) time.Duration { return 0 }
	live(s, 20*time.Second, none)
	for range 150 {
		if off := s.next(time.Second) - s.passed; off.Abs() > 20*ms {
			t.Fatalf("what came a second late is told to be captured %v later", off)
		}
	}
	if least, most := worst(live(s, 20*time.Second, none)); least < -20*ms || most > 20*ms {
		t.Errorf("after that it is off by %v to %v", least, most)
	}
}

// A first report that was long under way has all be captured later than it was, which
// the next one mends.
func TestReportsThatAreRightAgainAreBelieved(t *testing.T) {
	s := newSound(t, 0)
	all := live(s, 30*time.Second, func(since time.Duration) time.Duration {
		if since < time.Second {
			return 150 * ms
		}
		return 0
	})
	if least, most := worst(all[20*50:]); least < -2*ms || most > 2*ms {
		t.Errorf("in the end it is off by %v to %v", least, most)
	}
}

func TestClockThatJumpsInTheMiddleIsCorrected(t *testing.T) {
	for _, by := range []time.Duration{time.Second, -time.Second, 3 * time.Second, -3 * time.Second} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprint(by, back), func(t *testing.T) {
				s := newSound(t, 0)
				all := live(s, 80*time.Second, func(since time.Duration) time.Duration {
					if since < 20*time.Second || back && since > 40*time.Second {
						return 0
					}
					return by
				})
				for _, part := range [][]time.Duration{all[:20*50], all[26*50 : 40*50], all[46*50:]} {
					if least, most := worst(part); least < -maxBehind || most > maxAhead+2*ms {
						t.Errorf("off by %v to %v", least, most)
					}
				}
			})
		}
	}
}

// Half an hour of reports that drift by 500 of a million, which is 0.9 s, against the packets.
func TestReportsThatDriftFromTheirPacketsAreCorrected(t *testing.T) {
	for _, ppm := range []time.Duration{500, -500} {
		s := newSound(t, 0)
		least, most := worst(live(s, 30*time.Minute, func(since time.Duration) time.Duration { return since * ppm / 1e6 }))
		if least < -maxBehind-20*ms || most > maxAhead+2*ms {
			t.Errorf("%d ppm: off by %v to %v", ppm, least, most)
		}
	}
}

// Without reports a clock that is slow by 500 of a million is late by 0.9 s in half an hour.
func TestSlowClockWithoutReportsIsNotLeftBehind(t *testing.T) {
	s := newSound(t, -500)
	for range 30 * 60 * 50 {
		if off := s.next(0) - s.passed; off < -maxBehind-20*ms || off > 20*ms {
			t.Fatalf("after %v it is off by %v", s.passed, off)
		}
	}
}

// The pictures of one publisher come half a second after the sound of the same moment.
func TestTracksOfOnePublisherStayInStep(t *testing.T) {
	const encoder = 500 * ms
	for _, off := range []time.Duration{0, 1500 * ms, -1500 * ms, 3 * time.Second} {
		t.Run(off.String(), func(t *testing.T) {
			audio, video := newSound(t, 0), newSound(t, 0)
			video.track.Join(audio.track)
			for n := range 60 * 50 {
				jumped := time.Duration(0)
				if n > 20*50 {
					jumped = off
				}
				if n%25 == 0 {
					audio.lies(jumped)
					video.lies(jumped)
				}
				a, v := audio.next(0), video.next(encoder)
				if (a - v).Abs() > 20*ms {
					t.Fatalf("%v after the beginning sound is told to be captured %v after its picture", audio.passed, a-v)
				}
				if apart := a - audio.passed; n > 27*50 && (apart > maxAhead || apart < -maxBehind) {
					t.Fatalf("%v after the beginning sound is off by %v", audio.passed, apart)
				}
			}
		})
	}
}
