package frames

import (
	"testing"
	"time"
)

func TestLagFollowsWhatComes(t *testing.T) {
	const ms = time.Millisecond
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	l := NewLag(60*ms, 400*ms)
	// come has a track's packets of so many seconds come so late.
	come := func(track uint16, seconds int, late time.Duration) {
		for range seconds * 50 {
			now = now.Add(20 * ms)
			l.Came(track, now.Add(-late), now)
		}
	}
	want := func(what string, want time.Duration) {
		t.Helper()
		if got := l.Wait(); got != want {
			t.Errorf("%s: it waits %v, want %v", what, got, want)
		}
	}
	want("before anything", 60*ms)
	come(1, 1, 3*time.Second) // what was sent before it was asked for
	want("after the past of a track", 60*ms)
	come(1, 12, 5*ms)
	want("of what comes soon", 60*ms)
	come(1, 1, 90*ms)
	want("at once, of what comes late", 130*ms)
	come(1, 100, 5*ms)
	want("for more than a minute", 130*ms)
	come(1, 40, 5*ms)
	want("and not forever", 60*ms)
	l.Gap(1, true)
	want("while something is missing", 400*ms)
	l.Gap(2, true)
	l.Gap(1, false)
	want("of another, too", 400*ms)
	l.Gap(2, false)
	want("when nothing is", 60*ms)
	l.Gap(2, true)
	l.Forget(2)
	want("of one that is gone", 60*ms)
	come(1, 1, 5*time.Second)
	want("at most", 400*ms)
	now = now.Add(time.Hour)
	want("while nothing comes", 400*ms)
	come(1, 1, 5*ms)
	want("after silence, too", 400*ms)
	come(1, 140, 80*ms)
	want("another network", 120*ms)
	come(2, 1, time.Second) // of a track that is new, what was sent before
	want("beside a new track", 120*ms)
	l.Forget(2)
	come(2, 1, time.Second)
	want("which comes again", 120*ms)
	l.Forget(2)
	come(2, 1, 200*ms)
	want("in its first second, when it is slower", 240*ms)
}
