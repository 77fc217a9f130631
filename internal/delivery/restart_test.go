package delivery

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

func TestCloseLetsAttemptsInFlightEndAndKeepsTheRest(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Delay: 3 * time.Second} })
		w.emit("blue", 3)
		w.emit("red", 1)
		time.Sleep(time.Second)
		start := time.Now()
		if err := w.stop(5 * time.Second); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("Close took %s, want the 2 s that the attempts had left", took)
		}
		if n := w.sinks["a"].Len(); n != 2 {
			t.Errorf("%d requests before the restart, want one a room", n)
		}
		w.start()
		w.wantWithin(7*time.Second, "a", "", 4)
		if n := w.sinks["a"].Len(); n != 4 {
			t.Errorf("%d requests for 4 events: a graceful stop makes no duplicates", n)
		}
		w.wantWhole("a")
	}, "a")
}

func TestCloseGivesUpWhatHangsWhenItsContextIsDone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Hang: true} })
		w.emit("blue", 3)
		synctest.Wait()
		start := time.Now()
		if err := w.stop(time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %s", took)
		}
		w.sinks["a"].Script(nil)
		w.start()
		w.wantWithin(time.Second, "a", "", 3)
		w.wantWhole("a")
	}, "a")
}

func TestQuestionsAfterCloseAreAnswered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.emit("blue", 3)
		w.wantWithin(time.Second, "a", "", 3)
		eng := w.eng
		w.stop(time.Second)
		if s := eng.Stats()[0]; s.Successes != 3 || s.Attempts != 3 || s.Lag != 0 {
			t.Errorf("stats %+v", s)
		}
		if err := eng.Resume(context.Background(), EndpointID("http://a/hook")); !errors.Is(err, ErrClosed) {
			t.Errorf("Resume = %v", err)
		}
		if err := eng.Resume(context.Background(), "other"); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("Resume = %v", err)
		}
		if err := eng.Close(context.Background()); err != nil {
			t.Errorf("second Close = %v", err)
		}
	}, "a")
}

func TestNewEndpointStartsWithANewLogOrAtTheEndOfAnOldOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.emit("blue", 5) // the log was empty when "a" came
		w.wantWithin(time.Second, "a", "", 5)
		w.stop(time.Second)
		w.emit("blue", 5)
		w.addSink("b")
		w.pipe.Serve("b", w.sinks["b"], nil)
		w.start()
		w.emit("blue", 2)
		w.wantWithin(time.Second, "a", "", 12)
		w.wantWithin(time.Second, "b", "", 2)
		w.wantWhole("a")
		if first := w.sinks["b"].Deliveries()[0].Header.Get(headerSeq); first != "11" {
			t.Errorf("the new endpoint starts at %s, want 11", first)
		}
	}, "a")
}

func TestEndpointThatComesBackGoesOnWhereItWas(t *testing.T) {
	inWorld(t, func(w *world) {
		w.emit("blue", 5)
		w.wantWithin(time.Second, "a", "", 5)
		w.stop(time.Second)
		w.options.Endpoints = []Endpoint{hostEndpoint("b")}
		w.start()
		w.emit("blue", 5)
		w.wantWithin(time.Second, "b", "", 10)
		w.stop(time.Second)
		w.options.Endpoints = nil
		w.start()
		w.wantWithin(time.Second, "a", "", 10)
		w.wantWhole("a")
		w.wantWhole("b")
	}, "a", "b")
}

func TestRotatedKeyGoesOnWhereTheOldOneWas(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pipe.SetDown("a:80", true)
		w.emit("blue", 5)
		time.Sleep(time.Minute)
		w.stop(time.Second)
		w.pipe.SetDown("a:80", false)
		ep := hostEndpoint("a")
		ep.APIKey, ep.Secret = "newkey", "newsecret"
		w.options.Endpoints = []Endpoint{ep}
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault { return fault{Status: 200} })
		w.start()
		all, err := w.sinks["a"].WaitFor(context.Background(), func(all []webhooksink.Delivery) bool { return len(all) == 5 })
		if err != nil || all[0].Header.Get(headerSeq) != "1" || all[4].Header.Get(headerSeq) != "5" {
			t.Errorf("%v, %v", all, err)
		}
	}, "a")
}

// TestCrashRepeatsOnlyWhatWasInFlight crashes with most events acknowledged
// long ago, some in flight and some waiting.
func TestCrashRepeatsOnlyWhatWasInFlight(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 100 {
			w.emit("room"+string(rune('a'+i%10)), 1)
		}
		w.wantWithin(time.Second, "a", "", 100)
		time.Sleep(crashWindow)
		w.sinks["a"].Script(webhooksink.Rules(webhooksink.Rule{Room: "rooma", Times: 2, Fault: fault{Status: 500}}))
		for i := range 100 {
			w.emit("room"+string(rune('a'+i%10)), 1)
		}
		synctest.Wait()
		w.crash()
		w.wantWithin(time.Minute, "a", "", 200)
		w.wantWhole("a")
		for i, d := range w.sinks["a"].Deliveries()[100:] {
			if seq := d.Header.Get(headerSeq); len(seq) < 3 {
				t.Errorf("request %d after the crash was for %s, acknowledged long before", i, seq)
			}
		}
	}, "a")
}

// TestAttemptsAndFirstFailureSurviveARestart: the 72 hours of a head do not
// begin anew.
func TestAttemptsAndFirstFailureSurviveARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.seldom()
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 500} })
		w.emit("blue", 1)
		time.Sleep(40 * time.Hour)
		w.restart()
		time.Sleep(time.Second)
		all := w.sinks["a"].Deliveries()
		for i, d := range all {
			if got := d.Header.Get(headerAttempt); got != strconv.Itoa(i+1) {
				t.Fatalf("request %d of %d says it is attempt %s", i+1, len(all), got)
			}
		}
		time.Sleep(33 * time.Hour)
		if !strings.Contains(w.logged.String(), "level=ERROR") {
			t.Error("no error for an event that is overdue after 73 h")
		}
		w.sinks["a"].Script(nil)
		w.wantWithin(13*time.Minute, "a", "", 1)
	}, "a")
}
