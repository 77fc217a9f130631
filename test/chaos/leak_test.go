package chaos

import (
	"fmt"
	"testing"
)

// After people came and went, the server holds what it held before.
func TestJoinsAndLeavesLeaveNothingBehind(t *testing.T) {
	takesTurns(t)
	const (
		warmups = 1 // rounds of joins people; they fill pools and caches
		// What may differ without anything having leaked: a timer's goroutine, a
		// connection kept alive, a file of the log; and the log's memory.
		spareFiles = 8
		logHeap    = 12 << 20
		// Why a session has ended is known for ten minutes.
		farewell = 300
	)
	spareGoroutines := 8 + kept(rooms)
	rounds := 4
	if *long {
		rounds = 150 // one every three seconds, day and night
	}
	spareHeap := logHeap + uint64(rounds*joins*farewell)
	b := newBackend(t)
	s := newServer(t, b.url)
	s.start()
	gs := newGuests(s.url)
	for round := range warmups {
		crowd(t, gs, fmt.Sprintf("warm-%d", round), uint64(round), &calamity{})
	}
	s.wantEmpty()
	before := s.usage()
	var second usage
	for round := range rounds {
		crowd(t, gs, fmt.Sprintf("%d", round), uint64(round), &calamity{})
		if round == 1 {
			s.wantEmpty()
			second = s.usage()
		}
	}
	s.wantEmpty()
	// Webhooks keep up to 16 MiB of the newest events, some 7 KB for each join.
	const perJoin = 24 << 10
	// What grows with each round has to be found by less than it may take in all.
	grown := func(now usage) int { return (int(now.heap) - int(second.heap)) / ((rounds - 2) * joins) }
	s.poll("everything to be given back", func() error {
		now := s.usage()
		if now.goroutines > before.goroutines+spareGoroutines || now.files > before.files+spareFiles ||
			now.heap > before.heap+spareHeap {
			return fmt.Errorf("%+v, and was %+v", now, before)
		}
		if grown(now) > perJoin {
			return fmt.Errorf("%+v, and was %+v after two rounds: %d bytes more for each join", now, second, grown(now))
		}
		t.Logf("before %+v, after %d joins and leaves %+v, after %d %+v: %d bytes for each", before, 2*joins, second, rounds*joins, now, grown(now))
		return nil
	})
}

// wantEmpty waits until every session has ended.
func (s *server) wantEmpty() {
	s.t.Helper()
	story := newStory()
	s.poll("all rooms to finish", func() error {
		for _, r := range s.read(story.last) {
			if err := story.add(r); err != nil {
				s.t.Fatal(err)
			}
		}
		if open := story.open(); len(open) > 0 {
			return fmt.Errorf("open: %v", open)
		}
		return nil
	})
}
