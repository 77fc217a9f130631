package keyframe

import (
	"testing"
	"time"
)

// script drives a Requester and fails on the first line that does not hold.
type script struct {
	t   *testing.T
	r   Requester
	now time.Time
}

func newScript(t *testing.T) *script {
	return &script{t: t, now: time.Unix(1000, 0)}
}

func (s *script) advance(d time.Duration) { s.now = s.now.Add(d) }

func (s *script) want(send bool, why string) {
	s.t.Helper()
	if got := s.r.Want(s.now); got != send {
		s.t.Fatalf("Want sends %v: %s", got, why)
	}
}

func (s *script) poll(send bool, why string) {
	s.t.Helper()
	if got := s.r.Poll(s.now); got != send {
		s.t.Fatalf("Poll sends %v: %s", got, why)
	}
}

func TestFirstRequestGoesOutAtOnceAndThenOnePerInterval(t *testing.T) {
	s := newScript(t)
	s.poll(false, "nobody waits")
	s.want(true, "first")
	s.want(false, "one is in flight")
	s.advance(Interval - 1)
	s.want(false, "still in flight")
	s.advance(1)
	s.want(true, "interval over")
}

func TestUnansweredRequestIsRepeatedUntilTheKeyframe(t *testing.T) {
	s := newScript(t)
	s.want(true, "first")
	if want := s.now.Add(Interval); !s.r.Next().Equal(want) {
		t.Fatalf("next poll at %v, want %v", s.r.Next(), want)
	}
	s.advance(Interval)
	s.poll(true, "repeat")
	s.r.Arrived()
	if !s.r.Next().IsZero() {
		t.Fatal("waits after the key frame")
	}
	s.advance(Interval)
	s.poll(false, "answered")
}

func TestRequestDuringThrottleIsNotForgotten(t *testing.T) {
	s := newScript(t)
	s.want(true, "first")
	s.r.Arrived()
	s.advance(Interval / 2)
	s.want(false, "too early for another")
	s.advance(Interval / 2)
	s.poll(true, "now it is due")
}

func TestRepeatsEndWhenNobodyWantsAnyMore(t *testing.T) {
	s := newScript(t)
	s.want(true, "first")
	for range maxRepeats - 1 {
		s.advance(Interval)
		s.poll(true, "repeat")
	}
	s.advance(Interval)
	s.poll(false, "given up")
	if s.r.Wanted() {
		t.Fatal("still wanted")
	}
	s.want(true, "a new wish starts over")
}
