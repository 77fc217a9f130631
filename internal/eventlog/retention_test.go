package eventlog_test

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// hourly appends one event an hour.
func hourly(t *testing.T, l *eventlog.Log, n int) {
	t.Helper()
	for range n {
		if err := l.Sync(t.Context(), l.Append(event.Event{Name: event.EgressStarted})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
	}
}

// wantFirst says that between low and high is kept.
func wantFirst(t *testing.T, l *eventlog.Log, low, high uint64) {
	t.Helper()
	first := l.First()
	if first < low || first > high {
		t.Errorf("First = %d of %d, want %d to %d", first, l.Last(), low, high)
	}
	records, err := l.Read(t.Context(), 0, 1)
	if err != nil || len(records) != 1 || records[0].Seq != first {
		t.Errorf("the first record, of %d, is %v, %v", first, records, err)
	}
	if first < 3 {
		return
	}
	_, err = l.Read(t.Context(), first-2, 1)
	if truncated, ok := errors.AsType[*eventlog.TruncatedError](err); !ok || truncated.First != first || !errors.Is(err, eventlog.ErrTruncated) {
		t.Errorf("reading before First: %v", err)
	}
	if _, err := l.Read(t.Context(), first-1, 1); err != nil {
		t.Errorf("reading right before First: %v", err)
	}
}

func TestEventsAreKeptForTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Age: 7 * 24 * time.Hour}})
		hourly(t, l, 150)
		wantFirst(t, l, 1, 1)
		hourly(t, l, 150) // the age is 168 hours
		wantFirst(t, l, 130, 133)
		closeLog(t, l)
	})
}

func TestWhatIsNotAcknowledgedIsKeptForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var needed atomic.Uint64
		needed.Store(5)
		l := open(t, eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Age: 10 * time.Hour, Hold: needed.Load}})
		hourly(t, l, 60)
		wantFirst(t, l, 3, 5)
		hourly(t, l, 60) // 72 hours are over for the first 48
		wantFirst(t, l, 45, 49)
		needed.Store(math.MaxUint64)
		hourly(t, l, 1)
		wantFirst(t, l, 108, 112)
		closeLog(t, l)
	})
}

func TestATimeWithoutTheServerCountsLateAndAStepOfTheClockHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		opts := eventlog.Options{Store: store, Retention: eventlog.Retention{Age: 100 * time.Hour}}
		l := open(t, opts)
		hourly(t, l, 50)
		closeLog(t, l)
		// Years, or a clock set ahead: which of them nobody can tell.
		time.Sleep(10 * 365 * 24 * time.Hour)
		l = open(t, opts)
		hourly(t, l, 1)
		wantFirst(t, l, 1, 1)
		hourly(t, l, 48)
		// Two hours an hour: the first half is 100 hours old by now.
		wantFirst(t, l, 45, 51)
		closeLog(t, l)
	})
}

func TestSizeIsKeptToAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		opts := eventlog.Options{Store: store, Retention: eventlog.Retention{Size: 64 << 10, Interval: 30 * time.Minute}}
		l := open(t, opts)
		for range 5 {
			hourly(t, l, 200)
			if n := l.Stats().Bytes; n > 64<<10 || n < 32<<10 {
				t.Errorf("%d bytes are kept", n)
			}
			first := l.First()
			closeLog(t, l)
			l = open(t, opts)
			if l.First() != first {
				t.Errorf("First after a restart = %d, was %d", l.First(), first)
			}
		}
		closeLog(t, l)
	})
}

func TestFullLogTakesLifecycleEventsOnlyAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var needed atomic.Uint64
		needed.Store(1)
		l := open(t, eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Quota: 20 << 10, Hold: needed.Load}})
		lifecycle := storetest.Typical(1)
		connecting := lifecycle
		connecting.Name = event.ParticipantConnecting
		spoke := lifecycle
		spoke.Name = event.ParticipantSpoke
		if err := l.Ready(); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if err := l.Sync(t.Context(), l.Append(lifecycle)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if err := l.Ready(); !errors.Is(err, eventlog.ErrQuota) {
			t.Fatalf("Ready at the quota: %v", err)
		}
		wantFirst(t, l, 1, 1) // it is needed
		last := l.Last()
		if seq := l.Append(spoke); seq != last {
			t.Errorf("an event that is not essential got Seq %d, the last was %d", seq, last)
		}
		if seq := l.Append(spoke, lifecycle, spoke, connecting); seq != last+2 {
			t.Errorf("lifecycle events got Seq %d, the last was %d", seq, last)
		}
		if err := l.Sync(t.Context(), last+2); err != nil {
			t.Fatal(err)
		}
		if n := l.Stats().RefusedByQuota; n != 3 {
			t.Errorf("%d events were refused, want 3", n)
		}
		needed.Store(math.MaxUint64)
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := l.Ready(); err != nil {
			t.Errorf("Ready once nobody needs the oldest: %v", err)
		}
		if seq := l.Append(spoke); seq != last+3 {
			t.Errorf("below the quota again, Seq %d", seq)
		}
		closeLog(t, l)
	})
}

func TestFullLogGoesOnSoonAfterItsReadersHaveCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var needed atomic.Uint64
		needed.Store(1)
		l := open(t, eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Quota: 20 << 10, Hold: needed.Load}})
		defer closeLog(t, l)
		for l.Ready() == nil { // all at once, between two looks
			if err := l.Sync(t.Context(), l.Append(storetest.Typical(1))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		half := l.Last() / 2
		needed.Store(half)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := l.Ready(); err != nil {
			t.Errorf("with the half of it acknowledged: %v", err)
		}
		wantFirst(t, l, 2, half) // a tenth of the quota is made free
	})
}

func TestShortRetentionIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Age: time.Minute, Interval: time.Second}})
		defer closeLog(t, l)
		for range 300 {
			if err := l.Sync(t.Context(), l.Append(event.Event{Name: event.EgressStarted})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		wantFirst(t, l, 300-63, 300-58)
	})
}

// What has left by age keeps its place: nothing comes under a Seq that was another's.
func TestALogThatAllHasLeftGoesOnAfterARestart(t *testing.T) {
	for name, quiet := range map[string]bool{"nothing is left": false, "an open room is left": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := eventlog.Options{Store: memory.New(), Retention: eventlog.Retention{Age: 7 * 24 * time.Hour}}
				l := open(t, opts)
				if quiet {
					l.Append(storetest.NewRoom("blue", "RM_blue").Start())
				}
				hourly(t, l, 20)
				before, err := l.Read(t.Context(), 0, 100)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(9 * 24 * time.Hour)
				last := l.Last()
				if l.First() != last+1 {
					t.Fatalf("First = %d, want all of %d to have left", l.First(), last)
				}
				closeLog(t, l)

				l = open(t, opts)
				if got := l.Last(); got != last {
					t.Errorf("after a restart Last = %d, want %d", got, last)
				}
				hourly(t, l, 1)
				after, err := l.Read(t.Context(), 0, 100)
				if err != nil || len(after) != 1 || after[0].Seq != last+1 || after[0].ID <= before[len(before)-1].ID {
					t.Errorf("after a restart: %+v, %v; want one of seq %d with an id above %s", after, err, last+1, before[len(before)-1].ID)
				}
				closeLog(t, l)
			})
		})
	}
}
