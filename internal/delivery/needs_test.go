package delivery

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// keeping has the log keep events for age, and 72 h if the engine needs them.
func (w *world) keeping(age time.Duration) {
	w.t.Helper()
	w.stop(time.Minute)
	w.closeLog()
	w.retention = eventlog.Retention{Age: age, Hold: func() uint64 {
		low := uint64(math.MaxUint64)
		for _, p := range w.running.Load().Needs() {
			low = min(low, p.Seq)
		}
		return low
	}}
	w.openLog()
	w.start()
}

// wantNeeds says from where on the endpoints and recoveries need the log.
func (w *world) wantNeeds(when string, want ...uint64) {
	w.t.Helper()
	var got []uint64
	for _, p := range w.eng.Needs() {
		got = append(got, p.Seq)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: needed from %v, want %v", when, got, want)
	}
}

func TestWhatIsNotAcknowledgedIsNeeded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.wantNeeds("an empty log", 1, 1)
		w.emit("den", 3)
		w.emit("attic", 2)
		w.wantWithin(time.Minute, "a", "", 5)
		w.wantWithin(time.Minute, "b", "", 5)
		w.wantNeeds("all is accepted", 6, 6)

		id := w.eng.Endpoints()[0].ID
		if err := w.eng.Pause(w.t.Context(), id); err != nil {
			w.t.Fatal(err)
		}
		w.emit("den", 2)
		w.wantWithin(time.Minute, "b", "", 7)
		w.wantNeeds("one is paused", 6, 8)
		w.restart()
		w.wantNeeds("after a restart", 6, 8)
		if err := w.eng.Resume(w.t.Context(), id); err != nil {
			w.t.Fatal(err)
		}
		w.wantWithin(time.Minute, "a", "", 7)
		w.wantNeeds("it has caught up", 8, 8)

		// One room is refused alone: the rest goes on, and its events stay.
		w.sinks["a"].Script(func(d *webhooksink.Delivery) webhooksink.Fault {
			if d.Room() == "den" && d.Header.Get(headerSeq) == "8" {
				return webhooksink.Fault{Status: 400}
			}
			return webhooksink.Fault{}
		})
		w.emit("den", 2)
		w.emit("attic", 2)
		w.wantWithin(10*time.Minute, "a", "", 10) // 7, then 10 of the two and 9 of den
		w.wantNeeds("a dead letter is retried", 8, 12)
		time.Sleep(100 * time.Hour)
		w.wantNeeds("it was given up", 12, 12)

		rec, err := w.eng.Recover(w.t.Context(), RecoverRequest{Endpoint: id, After: 2, Rate: 0.001})
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.wantNeeds("a recovery is under way", 12, 12, 4)
		if err := w.eng.CancelRecovery(w.t.Context(), rec); err != nil {
			w.t.Fatal(err)
		}
		w.wantNeeds("it was cancelled", 12, 12)
	}, "a", "b")
}

func TestEventsAreKeptForAReceiverThatIsDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.keeping(time.Hour)
		w.seldom()
		w.pipe.SetDown("a:80", true)
		for range 60 {
			w.emit("den", 1)
			time.Sleep(time.Hour)
		}
		if first := w.log.First(); first != 1 {
			w.t.Errorf("First is %d after 60 hours", first)
		}
		w.pipe.SetDown("a:80", false)
		w.wantWithin(time.Hour, "a", "", 60)
		w.wantWhole("a")
		time.Sleep(3 * time.Hour)
		if first := w.log.First(); first < 59 {
			w.t.Errorf("First is %d once all is accepted", first)
		}
	}, "a")
}

// Nobody waits for ever for what is gone, and nobody has to guess.
func TestWhatLeftTheLogUnreadIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.keeping(time.Hour)
		w.emit("den", 1)
		w.wantWithin(time.Minute, "a", "", 1)
		w.stop(time.Minute) // its cursor is kept, and nobody holds the log for it
		w.wantGone(1)
	}, "a")
}

func TestRoomsThatWaitedTooLongGoOnAfterWhatIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.keeping(time.Hour)
		w.emit("den", 1)
		w.wantWithin(time.Minute, "a", "", 1)
		w.pipe.SetDown("a:80", true)
		w.emit("den", 2)
		w.emit("attic", 2)
		time.Sleep(time.Minute) // both rooms have a lane now
		w.stop(time.Minute)
		w.wantGone(1)
	}, "a")
}

// wantGone lets days pass and starts the engine, whose endpoint has had the first
// n events of room den.
func (w *world) wantGone(n int) {
	w.t.Helper()
	for range 100 { // of which 72 hours are kept

		w.emit("den", 1)
		w.emit("attic", 1)
		time.Sleep(time.Hour)
	}
	w.pipe.SetDown("a:80", false)
	w.emit("den", 1)
	w.emit("attic", 2)
	first, last := w.log.First(), w.log.Last()
	if first <= 5 || first >= last {
		w.t.Fatalf("First is %d of %d", first, last)
	}
	w.start()
	kept := int(last - first + 1)
	w.wantWithin(time.Hour, "a", "", n+kept)
	told := 0
	seen := map[string]bool{}
	for _, d := range w.sinks["a"].Accepted()[n:] {
		if gone := d.Header.Get(headerGone); gone != "" {
			told++
			if want := strconv.Itoa(n+1) + "-" + strconv.FormatUint(first-1, 10); gone != want {
				w.t.Errorf("event %s: gone %q, want %q", d.Header.Get(headerSeq), gone, want)
			}
		}
		if prev := d.Header.Get(headerPrevSeq); !seen[d.Room()] && prev != "" {
			w.t.Errorf("the first event of %q says that %s came before it", d.Room(), prev)
		}
		seen[d.Room()] = true
	}
	if told == 0 || told > 2 {
		w.t.Errorf("%d accepted deliveries tell of it, of which one is enough", told)
	}
	if s := w.eng.Stats()[0]; s.Missing != first-1-uint64(n) || s.Lag != 0 {
		w.t.Errorf("%+v", s)
	}
	if !strings.Contains(w.logged.String(), "events left the log before they were delivered") {
		w.t.Error("nobody says so in the log")
	}
	if err := w.stop(time.Minute); err != nil {
		w.t.Error(err)
	}
	w.start()
	w.emit("den", 1)
	w.wantWithin(time.Minute, "a", "", n+kept+1)
	if d := w.sinks["a"].Accepted()[n+kept]; d.Header.Get(headerGone) != "" {
		w.t.Error("it is told again")
	}
}

func TestRecoveryGoesOnAfterWhatIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.keeping(time.Hour)
		for range 10 {
			w.emit("den", 1)
			time.Sleep(time.Hour)
		}
		w.wantWithin(time.Minute, "a", "", 10)
		w.emit("den", 1)
		w.restart() // nothing is in memory
		first := w.log.First()
		id, err := w.eng.Recover(w.t.Context(), RecoverRequest{Endpoint: w.eng.Endpoints()[0].ID, After: 2})
		if err != nil {
			w.t.Fatal(err)
		}
		rec := w.recoveryDone(id)
		if rec.State != RecoveryDone || rec.Failures != first-3 || rec.Sent != 12-first || rec.LastError == "" {
			w.t.Errorf("the log begins at %d: %+v", first, rec)
		}
	}, "a")
}

// recoveryDone returns the recovery once it has ended.
func (w *world) recoveryDone(id string) Recovery {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for {
		r, err := w.eng.Recovery(id)
		if err != nil || r.State != RecoveryRunning || ctx.Err() != nil {
			return r
		}
		time.Sleep(time.Second)
	}
}
