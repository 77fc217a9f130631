package eventlog_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

func TestCursorsRideWithEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g})
		l.SaveCursors(map[string][]byte{"a": []byte("1"), "b": []byte("2")}, nil)
		l.SaveCursors(map[string][]byte{"a": []byte("3")}, []string{"b"})
		synctest.Wait()
		if g.applied() != 0 {
			t.Error("cursors did not wait for events")
		}
		l.Append(joins(1)...)
		g.pass()
		time.Sleep(time.Minute)
		if g.applied() != 1 {
			t.Errorf("%d writes, want 1", g.applied())
		}
		own := cmpopts.IgnoreMapEntries(func(key string, _ []byte) bool { return key[0] == 0 }) // the log's
		if d := cmp.Diff(map[string][]byte{"a": []byte("3"), "b": nil}, g.batches[0].Cursors, own); d != "" {
			t.Errorf("written (-want +got):\n%s", d)
		}
		closeLog(t, l)
	})
}

func TestCursorsAreWrittenWithoutEventsAfterTheirDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g, CursorDelay: 20 * time.Millisecond})
		for i := range 3 {
			l.SaveCursors(map[string][]byte{"a": {byte(i)}}, nil)
			time.Sleep(19 * time.Millisecond / 2) // saving again does not put it off
		}
		synctest.Wait()
		if g.applied() != 1 {
			t.Fatalf("%d writes after the delay, want 1", g.applied())
		}
		// While it is being written, and after, the last one saved is read.
		l.SaveCursors(map[string][]byte{"b": {9}}, []string{"a"})
		for range 2 {
			got, err := l.LoadCursors("")
			if d := cmp.Diff(map[string][]byte{"b": {9}}, got); d != "" || err != nil {
				t.Errorf("loaded, %v (-want +got):\n%s", err, d)
			}
			g.pass()
			time.Sleep(time.Second)
		}
		closeLog(t, l)
	})
}

func TestCloseWritesCursors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		l := open(t, eventlog.Options{Store: store})
		l.SaveCursors(map[string][]byte{"a": []byte("1")}, nil)
		closeLog(t, l)
		got, err := store.Values("", "", 0)
		if d := cmp.Diff([]eventlog.Value{{Key: "a", Value: []byte("1")}}, got); d != "" || err != nil {
			t.Errorf("stored, %v (-want +got):\n%s", err, d)
		}
	})
}
