package nack

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type script struct {
	t   *testing.T
	g   *Generator
	now time.Time
}

func newScript(t *testing.T, opts Options) *script {
	return &script{t: t, g: New(opts), now: time.Unix(1000, 0)}
}

func (s *script) advance(d time.Duration) { s.now = s.now.Add(d) }

func (s *script) wantAsk(why string, want ...uint64) {
	s.t.Helper()
	if got := s.g.Poll(s.now, nil); !slices.Equal(got, want) {
		s.t.Fatalf("asks for %v, want %v: %s", got, want, why)
	}
}

func TestMissingPacketIsAskedForAtOnceAndAgainAfterARoundTrip(t *testing.T) {
	s := newScript(t, Options{})
	s.g.SetRTT(160 * time.Millisecond)
	s.g.Missing(10, 12, s.now)
	s.wantAsk("at once", 10, 11)
	s.wantAsk("not twice")
	s.advance(160 * time.Millisecond)
	s.wantAsk("the answer may be just late")
	s.advance(40 * time.Millisecond)
	if next := s.g.Next(); !next.Equal(s.now) {
		t.Fatalf("next poll %v, want %v", next, s.now)
	}
	s.wantAsk("a round trip and a quarter", 10, 11)
	if !s.g.Arrived(10, s.now) {
		t.Fatal("10 was asked for")
	}
	if s.g.Arrived(10, s.now) {
		t.Fatal("10 arrived twice")
	}
	s.advance(240 * time.Millisecond)
	s.wantAsk("only what is missing", 11)
}

func TestTriesAndAgeAreBounded(t *testing.T) {
	s := newScript(t, Options{MaxTries: 3, MaxAge: time.Hour})
	s.g.Missing(5, 6, s.now)
	asked := 0
	for range 1000 {
		asked += len(s.g.Poll(s.now, nil))
		s.advance(100 * time.Millisecond)
	}
	if asked != 3 || s.g.Pending() != 0 {
		t.Fatalf("asked %d times, %d pending", asked, s.g.Pending())
	}
	s = newScript(t, Options{MaxTries: 1000})
	s.g.Missing(5, 6, s.now)
	s.advance(time.Second)
	s.wantAsk("too old")
	if !s.g.Next().IsZero() {
		t.Fatal("waits for nothing")
	}
}

func TestHugeGapKeepsTheNewest(t *testing.T) {
	s := newScript(t, Options{MaxPending: 4})
	s.g.Missing(1, 3, s.now)
	s.g.Missing(100, 1<<40, s.now)
	s.wantAsk("newest four", 1<<40-4, 1<<40-3, 1<<40-2, 1<<40-1)
}

func TestKeyframeMakesOlderPacketsUseless(t *testing.T) {
	s := newScript(t, Options{})
	s.g.Missing(10, 13, s.now)
	s.g.Abandon(12)
	s.wantAsk("from the key frame on", 12)
	s.g.Reset()
	s.advance(time.Second / 2)
	s.wantAsk("forgotten")
}

func TestRoundTripIsMeasuredFromSingleRequests(t *testing.T) {
	s := newScript(t, Options{})
	for seq := range uint64(50) {
		s.g.Missing(10+seq, 11+seq, s.now)
		s.g.Poll(s.now, nil)
		s.advance(30 * time.Millisecond)
		s.g.Arrived(10+seq, s.now)
	}
	if got := s.g.RTT(); got != 30*time.Millisecond {
		t.Fatalf("round trip %v", got)
	}
	s.g.SetRTT(70 * time.Millisecond)
	s.g.Missing(100, 101, s.now)
	s.g.Poll(s.now, nil)
	s.advance(time.Millisecond)
	s.g.Arrived(100, s.now)
	if got := s.g.RTT(); got != 70*time.Millisecond {
		t.Fatalf("round trip %v after it was told", got)
	}
	s.g.SetRTT(10 * time.Millisecond)
	if got := s.g.RTT(); got < 20*time.Millisecond || got > 30*time.Millisecond {
		t.Fatalf("round trip %v of one who takes time to answer", got)
	}
}

// All that is lost on a long way is asked for once, if the first answer comes.
func TestAnswersOfALongWayAreWaitedFor(t *testing.T) {
	const rtt = 300 * time.Millisecond
	s := newScript(t, Options{})
	for seq := uint64(10); seq < 20; seq++ {
		s.g.SetRTT(rtt)
		s.g.Missing(seq, seq+1, s.now)
		asked := 0
		for range 32 { // of 10 ms: it is sent a little late
			asked += len(s.g.Poll(s.now, nil))
			s.advance(10 * time.Millisecond)
		}
		if asked != 1 || !s.g.Arrived(seq, s.now) {
			t.Fatalf("packet %d is asked for %d times", seq, asked)
		}
	}
	if got := s.g.RTT(); got != 320*time.Millisecond {
		t.Fatalf("round trip %v", got)
	}
	s.g.SetRTT(0)
	if got := s.g.RTT(); got != 320*time.Millisecond {
		t.Fatalf("round trip %v where the path's is not known any more", got)
	}
}

// Whatever is lost, and however often the retransmissions are too, each
// packet arrives or is given up, and requests stay bounded.
func TestEveryLossIsRecoveredOrGivenUp(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := newScript(t, Options{})
		const rtt = 40 * time.Millisecond
		type flight struct {
			seq uint64
			at  time.Time
		}
		var inflight []flight
		have := make(map[uint64]bool)
		asked, next := 0, uint64(1)
		highest := uint64(0)
		arrive := func(seq uint64) {
			have[seq] = true
			s.g.Arrived(seq, s.now)
			if seq > highest+1 {
				s.g.Missing(highest+1, seq, s.now)
			}
			highest = max(highest, seq)
		}
		for range 1500 {
			s.advance(3 * time.Millisecond)
			if next <= 1000 {
				if rng.IntN(10) != 0 {
					arrive(next)
				}
				next++
			}
			for len(inflight) > 0 && !inflight[0].at.After(s.now) {
				arrive(inflight[0].seq)
				inflight = inflight[1:]
			}
			for _, seq := range s.g.Poll(s.now, nil) {
				if have[seq] {
					t.Fatalf("seed %d: asked for %d, which is here", seed, seq)
				}
				asked++
				if rng.IntN(10) != 0 {
					inflight = append(inflight, flight{seq, s.now.Add(rtt)})
				}
			}
		}
		lost := 0
		for seq := uint64(1); seq <= highest; seq++ {
			if !have[seq] {
				lost++
			}
		}
		if lost > 1 || s.g.Pending() != 0 || asked > 400 {
			t.Fatalf("seed %d: %d lost, %d pending, %d requests", seed, lost, s.g.Pending(), asked)
		}
	}
}
