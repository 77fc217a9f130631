package delivery

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// refusing answers 413 to events of the room, and accepts all others.
func refusing(room string) func(*webhooksink.Delivery) fault {
	return func(d *webhooksink.Delivery) fault {
		if d.Room() == room && strings.Contains(string(d.Body), "refuse-me") {
			return fault{Status: 413}
		}
		return fault{}
	}
}

// emitRefused appends an event that is refused alone, and one that shows that.
func (w *world) emitRefused(room string, n int) {
	w.t.Helper()
	for range n {
		bad := roomEvent(room)
		bad.Participant.Identity = "refuse-me"
		w.log.Append(bad)
		w.emit(room, 1)
	}
	time.Sleep(time.Minute)
}

func (w *world) deadSeqs(id string) (seqs []uint64) {
	w.t.Helper()
	list, err := w.eng.DeadLetters(bg, id, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range list {
		seqs = append(seqs, d.Seq)
	}
	return seqs
}

func (w *world) wantDead(when string, want ...uint64) {
	w.t.Helper()
	if got := w.deadSeqs(EndpointID("http://a/hook")); !slices.Equal(got, want) {
		w.t.Errorf("%s: dead letters %v, want %v", when, got, want)
	}
}

func TestDeadLettersAreDismissed(t *testing.T) {
	inWorld(t, func(w *world) {
		id := EndpointID("http://a/hook")
		w.sinks["a"].Script(refusing("blue"))
		w.emitRefused("blue", 3)
		w.wantDead("refused alone", 1, 3, 5)
		if n, err := w.eng.Dismiss(bg, id, 3, 99); n != 1 || err != nil {
			t.Errorf("Dismiss = %d, %v", n, err)
		}
		w.crash()
		w.wantDead("one was dismissed", 1, 5)
		if x, err := w.eng.Why(bg, 3); err != nil || x.Endpoints[0].Fate != Dead || !strings.Contains(x.Endpoints[0].Because, "dismissed") {
			t.Errorf("why %+v, %v", x.Endpoints, err)
		}
		if _, err := w.eng.Dismiss(bg, id, 3); !errors.Is(err, ErrUnknownDeadLetter) {
			t.Errorf("Dismiss again = %v", err)
		}
		if _, err := w.eng.Dismiss(bg, "none"); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("Dismiss of no endpoint = %v", err)
		}
		if n, err := w.eng.Dismiss(bg, id); n != 2 || err != nil {
			t.Errorf("Dismiss of all = %d, %v", n, err)
		}
		if n, err := w.eng.Dismiss(bg, id); n != 0 || err != nil {
			t.Errorf("Dismiss of none = %d, %v", n, err)
		}
		before := w.sinks["a"].Len()
		w.sinks["a"].Script(nil)
		time.Sleep(3 * time.Hour)
		w.restart()
		w.wantDead("all were dismissed")
		if n := w.sinks["a"].Len(); n != before {
			t.Errorf("%d requests for what was dismissed", n-before)
		}
		if s := w.eng.Stats()[0]; s.Dropped != 0 {
			t.Errorf("stats %+v", s)
		}
	}, "a")
}

func TestOneDeadLetterCanBeDismissedWhileItIsTried(t *testing.T) {
	inWorld(t, func(w *world) {
		id := EndpointID("http://a/hook")
		w.sinks["a"].Script(refusing("blue"))
		w.emitRefused("blue", 1)
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 413, Delay: 5 * time.Second} })
		if n, err := w.eng.Redrive(bg, id, 1); n != 1 || err != nil {
			t.Fatalf("Redrive = %d, %v", n, err)
		}
		synctest.Wait()
		if n, err := w.eng.Dismiss(bg, id, 1); n != 1 || err != nil {
			t.Errorf("Dismiss = %d, %v", n, err)
		}
		time.Sleep(time.Hour)
		w.restart()
		w.wantDead("after it was refused once more")
	}, "a")
}

func TestDeadLettersThatCanNeverBeSentGo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.keeping(time.Hour)
		w.sinks["a"].Script(refusing("blue"))
		w.emitRefused("blue", 2)
		w.wantDead("refused alone", 1, 3)
		for range 4 * 24 { // they are tried for 72 hours, and are in the log meanwhile
			time.Sleep(time.Hour)
			w.emit("red", 1)
		}
		if w.log.First() <= 3 {
			t.Fatalf("First is %d", w.log.First())
		}
		w.wantDead("they have left the log", 1, 3)
		time.Sleep(4 * 24 * time.Hour)
		w.wantDead("seven days later")
		if s := w.eng.Stats()[0]; s.DeadLetters != 0 || s.Dropped != 2 {
			t.Errorf("stats %+v", s)
		}
		if !strings.Contains(w.logged.String(), "have left the log are dropped") {
			t.Error("nothing was logged")
		}
		w.crash()
		w.wantDead("after a crash")
	}, "a")
}

// One that can be sent stays, however old it is.
func TestDeadLettersInTheLogStay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(refusing("blue"))
		w.emitRefused("blue", 1)
		time.Sleep(30 * 24 * time.Hour)
		w.wantDead("after a month", 1)
		w.sinks["a"].Script(nil)
		if n, err := w.eng.Redrive(bg, EndpointID("http://a/hook")); n != 1 || err != nil {
			t.Errorf("Redrive = %d, %v", n, err)
		}
		time.Sleep(time.Minute)
		w.wantDead("tried again")
	}, "a")
}

func TestNumberOfDeadLettersIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop(time.Minute)
		w.options.MaxDeadLetters = 3
		w.start()
		w.sinks["a"].Script(refusing("blue"))
		w.emitRefused("blue", 5)
		w.wantDead("two too many", 5, 7, 9)
		if s := w.eng.Stats()[0]; s.Abandoned != 5 || s.DeadLetters != 3 || s.Dropped != 2 {
			t.Errorf("stats %+v", s)
		}
		if !strings.Contains(w.logged.String(), "too many dead letters") {
			t.Error("nothing was logged")
		}
		w.stop(time.Minute)
		w.options.MaxDeadLetters = 1
		w.start()
		w.wantDead("after a start with a lower bound", 9)
		w.crash()
		w.wantDead("after a crash", 9)
	}, "a")
}
