package audiolevel

import (
	"testing"
	"time"
)

type script struct {
	t   *testing.T
	d   Detector
	now time.Time
}

// frames plays n frames of 20 ms at a level.
func (s *script) frames(n int, level uint8) {
	for range n {
		s.d.Observe(level, 20*time.Millisecond, s.now)
		s.now = s.now.Add(20 * time.Millisecond)
	}
}

func (s *script) want(speaking bool, low, high float64, why string) {
	s.t.Helper()
	level, got := s.d.Level(s.now)
	if got != speaking || level < low || level > high {
		s.t.Fatalf("level %.3f speaking %v: %s", level, got, why)
	}
}

func TestSpeechIsDetectedWithinAWindowAndFades(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.want(false, 0, 0, "nothing heard")
	s.frames(19, 20)
	s.want(false, 0, 0, "not a full window")
	s.frames(1, 20)
	s.want(true, 0.06, 0.07, "two thirds of -20 dB")
	s.frames(60, 20)
	s.want(true, 0.09, 0.11, "-20 dB is a tenth")
	s.frames(100, 127)
	s.want(false, 0, 0.001, "silence")
}

func TestShortNoiseIsNotSpeech(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	for range 10 {
		s.frames(7, 10) // 35 % of the window
		s.frames(13, 127)
	}
	s.want(false, 0, 0, "too little of each window")
	for range 10 {
		s.frames(8, 10)
		s.frames(12, 127)
	}
	s.want(true, 0.1, 0.32, "40 % is enough")
}

func TestQuietSoundIsNotSpeech(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frames(100, 36)
	s.want(false, 0, 0, "below the threshold")
}

func TestSilenceOfTheTrackResets(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frames(60, 0)
	s.want(true, 0.9, 1, "full scale")
	s.now = s.now.Add(time.Second)
	s.want(false, 0, 0, "packets stopped")
	s.frames(19, 0)
	s.want(false, 0, 0, "a new window begins")
}
