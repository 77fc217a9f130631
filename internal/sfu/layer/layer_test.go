package layer

import (
	"testing"
	"time"
)

func TestTargetIsTheHighestLiveLayerWithinTheLimit(t *testing.T) {
	for _, tt := range []struct {
		live           uint8
		limit, current int
		want           int
	}{
		{0b111, 2, -1, 2}, {0b111, 1, 2, 1}, {0b111, 0, 2, 0}, {0b111, 99, 0, 2}, {0b111, -1, 0, 0},
		{0b011, 2, 2, 1},            // top died
		{0b101, 1, 1, 0},            // middle died
		{0b100, 0, -1, 2},           // only more than asked for
		{0b110, 0, 0, 1},            // lowest of those
		{0, 2, 1, 1}, {0, 2, -1, 2}, // nothing live: stay
		{0b1000, 3, -1, 3},
	} {
		if got := Target(tt.live, tt.limit, tt.current); got != tt.want {
			t.Errorf("Target(%03b, limit %d, current %d) = %d, want %d", tt.live, tt.limit, tt.current, got, tt.want)
		}
	}
}

func TestOfRID(t *testing.T) {
	for rid, want := range map[string]int{"": 0, "q": 0, "h": 1, "f": 2} {
		if got, ok := OfRID(rid); !ok || got != want {
			t.Errorf("OfRID(%q) = %d, %v", rid, got, ok)
		}
	}
	if _, ok := OfRID("hi"); ok {
		t.Error("unknown rid has a layer")
	}
}

type script struct {
	t   *testing.T
	v   Liveness
	now time.Time
}

func (s *script) advance(d time.Duration) { s.now = s.now.Add(d) }

func (s *script) frame(l int, want uint8, why string) {
	s.t.Helper()
	if got := s.v.Frame(l, s.now); got != want {
		s.t.Fatalf("live %03b, want %03b: %s", got, want, why)
	}
}

func TestLayerDiesWhenOthersGoOnForASecond(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frame(0, 0b001, "first")
	s.frame(2, 0b101, "second")
	for range 29 {
		s.advance(33 * time.Millisecond)
		s.frame(0, 0b101, "not yet a second")
	}
	s.advance(50 * time.Millisecond)
	s.frame(0, 0b001, "the top is silent")
	s.advance(10 * time.Millisecond)
	s.frame(2, 0b101, "it is back")
}

func TestSilenceOfAllLayersKillsNone(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frame(0, 0b001, "low")
	s.frame(2, 0b101, "high")
	s.advance(time.Minute)
	s.frame(0, 0b101, "a still picture moves, the high layer is next")
	s.frame(2, 0b101, "here it is")
}

func TestSlowLayersAreNotDead(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frame(0, 0b001, "low")
	s.frame(2, 0b101, "high")
	for range 10 {
		s.advance(1500 * time.Millisecond)
		s.frame(0, 0b101, "one frame each")
		s.frame(2, 0b101, "per tick")
	}
}

func TestEndedStreamIsNotLive(t *testing.T) {
	s := &script{t: t, now: time.Unix(1, 0)}
	s.frame(0, 0b001, "low")
	s.frame(1, 0b011, "high")
	if got := s.v.End(1); got != 0b001 {
		t.Fatalf("live %03b", got)
	}
}
