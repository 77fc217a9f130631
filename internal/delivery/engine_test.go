package delivery

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

type fault = webhooksink.Fault

func TestEventsArriveInOrderAndVerify(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			w.emit("blue", 3)
			w.emit("red", 2)
		}
		w.wantWithin(time.Second, "a", "", 50)
		w.wantWhole("a")
		for _, d := range w.sinks["a"].Deliveries() {
			if d.Method != http.MethodPost || d.Header.Get("Content-Type") != "application/webhook+json" || d.Path != "/hook" {
				t.Errorf("%s %s %q", d.Method, d.Path, d.Header.Get("Content-Type"))
			}
			if _, has := d.Header["Accept-Encoding"]; has {
				t.Error("compression was offered")
			}
		}
	}, "a")
}

// TestFailingRoomHarmsNeitherTheNextRoomNorTheNextEndpoint is the table of bad
// receivers: each treats room "bad" at endpoint "a" badly for a while.
func TestFailingRoomHarmsNeitherTheNextRoomNorTheNextEndpoint(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  fault
		times  int           // how many requests of the room get it
		within time.Duration // then the room's ten events are through
	}{
		{"500", fault{Status: 500}, 5, 40 * time.Second},
		{"404", fault{Status: 404}, 5, 40 * time.Second},
		{"401", fault{Status: 401}, 5, 40 * time.Second},
		{"400", fault{Status: 400}, 5, 40 * time.Second},
		{"413", fault{Status: 413}, 5, 40 * time.Second},
		{"501", fault{Status: 501}, 5, 40 * time.Second},
		{"304", fault{Status: 304}, 5, 40 * time.Second},
		{"301", fault{Status: 301, Location: "http://elsewhere/hook"}, 5, 40 * time.Second},
		{"302", fault{Status: 302, Location: "http://elsewhere/hook"}, 5, 40 * time.Second},
		{"303", fault{Status: 303, Location: "http://elsewhere/hook"}, 5, 40 * time.Second},
		{"307", fault{Status: 307, Location: "http://elsewhere/hook"}, 5, 40 * time.Second},
		{"308", fault{Status: 308, Location: "http://elsewhere/hook"}, 5, 40 * time.Second},
		{"hangs before headers", fault{Hang: true}, 3, 40 * time.Second},
		{"answers after the timeout", fault{Status: 500, Delay: 11 * time.Second}, 3, 40 * time.Second},
		{"breaks the connection", fault{Reset: true}, 5, 40 * time.Second},
		{"breaks it after the answer", fault{Status: 500, ResetAfter: true}, 5, 40 * time.Second},
		{"500 with one byte a second", fault{Status: 500, SlowBody: true}, 5, 50 * time.Second},
		{"500 with 100 MB", fault{Status: 500, BodySize: 100 << 20}, 3, 20 * time.Second},
		{"200 with one byte a second", fault{SlowBody: true}, 10, 1100 * time.Millisecond},
		{"200 with 100 MB", fault{BodySize: 100 << 20}, 10, time.Second},
		{"200, then close", fault{Close: true}, 10, time.Second},
		{"204", fault{Status: 204}, 10, time.Second},
		{"429", fault{Status: 429}, 5, 40 * time.Second},
		{"503 with Retry-After", fault{Status: 503, RetryAfter: "20"}, 1, 21 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				elsewhere := webhooksink.New(map[string]string{"devkey": "secret"})
				w.pipe.Serve("elsewhere", elsewhere, nil)
				w.sinks["a"].Script(webhooksink.Rules(webhooksink.Rule{Room: "bad", Times: tc.times, Fault: tc.fault}))
				for range 10 {
					w.emit("bad", 1)
					w.emit("good", 1)
				}
				w.wantWithin(100*time.Millisecond, "a", "good", 10)
				w.wantWithin(100*time.Millisecond, "b", "", 20)
				w.wantWithin(tc.within, "a", "bad", 10)
				w.wantWhole("a")
				w.wantWhole("b")
				if n := elsewhere.Len(); n != 0 {
					t.Errorf("%d redirects were followed", n)
				}
			}, "a", "b")
		})
	}
}

// TestRoomThatIsRefusedForEverHoldsUpItselfOnly keeps one room failing for
// hours, while others come and go.
func TestRoomThatIsRefusedForEverHoldsUpItselfOnly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(webhooksink.Rules(webhooksink.Rule{Room: "poison", Fault: fault{Status: 500}}))
		w.emit("poison", 3)
		for i := range 60 {
			time.Sleep(time.Minute)
			w.emit("other", 2)
			w.wantWithin(50*time.Millisecond, "a", "other", 2*(i+1))
		}
		attempts := w.sinks["a"].Len() - 120
		if attempts < 60*60/330 || attempts > 200 {
			t.Errorf("%d attempts at the refused event in an hour", attempts)
		}
		if n := strings.Count(w.logged.String(), "holds up its room"); n != 1 {
			t.Errorf("%d log lines about the refused event, want one", n)
		}
		w.sinks["a"].Script(nil)
		w.wantWithin(7*time.Minute, "a", "poison", 3)
		w.wantWhole("a")
	}, "a")
}

// TestManyRefusedRoomsHardlyDelayTheOthers has more witnesses than the breaker
// needs to believe that the receiver is down.
func TestManyRefusedRoomsHardlyDelayTheOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
			if strings.HasPrefix(d.Room(), "poison") {
				return fault{Status: 500}
			}
			return fault{}
		})
		for i := range 20 {
			w.emit("poison"+string(rune('a'+i)), 2)
		}
		time.Sleep(10 * time.Minute)
		for i := range 30 {
			w.emit("other", 2)
			w.wantWithin(31*time.Second, "a", "other", 2*(i+1))
			time.Sleep(20 * time.Second)
		}
		w.emit("other", 2)
		w.wantWithin(50*time.Millisecond, "a", "other", 62)
		w.sinks["a"].Script(nil)
		w.wantWithin(7*time.Minute, "a", "", 62+40)
		w.wantWhole("a")
	}, "a")
}

func TestReceiverThatIsBackAfterTwoSecondsIsNoticedQuickly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pipe.SetDown("a:80", true)
		for i := range 200 {
			w.emit("room"+string(rune('a'+i%20)), 1)
		}
		time.Sleep(2 * time.Second)
		w.pipe.SetDown("a:80", false)
		w.wantWithin(2*time.Second, "a", "", 200)
		w.wantWhole("a")
		w.wantWithin(0, "b", "", 200)
	}, "a", "b")
}

func TestReceiverThatIsBackAfterHoursIsNoticedWithinHalfAMinute(t *testing.T) {
	for _, rooms := range []int{1, 2, 50} {
		inWorld(t, func(w *world) {
			w.emit("before", 1)
			w.wantWithin(time.Second, "a", "", 1)
			w.pipe.SetDown("a:80", true)
			for i := range 500 {
				w.emit("room"+string(rune('a'+i%rooms)), 1)
			}
			time.Sleep(6 * time.Hour)
			stats := w.eng.Stats()[0]
			if stats.State != Open || stats.Lag != 500 || stats.OldestPending < 6*time.Hour || stats.LastError == "" {
				t.Errorf("stats of an endpoint that is down: %+v", stats)
			}
			if stats.Failures > 6*60*2*3/2+100 {
				t.Errorf("%d attempts in six hours", stats.Failures)
			}
			w.pipe.SetDown("a:80", false)
			w.wantWithin(37*time.Second, "a", "", 501) // 30 s and its jitter
			w.wantWhole("a")
			synctest.Wait()
			if stats := w.eng.Stats()[0]; stats.State == Open || stats.Lag != 0 || stats.OldestPending != 0 || stats.Lanes != 0 {
				t.Errorf("stats afterwards: %+v", stats)
			}
			for _, line := range []string{"does not accept events", "counts as down", "accepts events again"} {
				if n := strings.Count(w.logged.String(), line); n != 1 {
					t.Errorf("%d log lines %q, want one\n%s", n, line, w.logged.String()[:2500])
				}
			}
		}, "a")
	}
}

func TestThreeDayOutageLosesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.seldom()
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 503} })
		for range 80 {
			w.emit("blue", 1)
			w.emit("red", 1)
			time.Sleep(time.Hour)
		}
		if n := strings.Count(w.logged.String(), "level=ERROR"); n == 0 || n > 2 {
			t.Errorf("%d errors logged for two overdue events", n)
		}
		w.sinks["a"].Script(nil)
		w.wantWithin(13*time.Minute, "a", "", 160)
		w.wantWhole("a")
	}, "a")
}

func TestRecoveryDoesNotFloodTheReceiver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pipe.SetDown("a:80", true)
		for i := range 300 {
			w.emit("room"+string(rune('a'+i)), 1)
		}
		time.Sleep(10 * time.Minute)
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Delay: 100 * time.Millisecond} })
		w.pipe.SetDown("a:80", false)
		w.wantWithin(40*time.Second, "a", "", 300)
		all := w.sinks["a"].Deliveries()
		perRound := make(map[int]int)
		for _, d := range all {
			perRound[int(d.At.Sub(all[0].At)/(100*time.Millisecond))]++
		}
		for round, limit := range []int{1, 1, 2, 4, 8, 16, 32, 64} {
			if perRound[round] > 2*limit {
				t.Errorf("round %d after the recovery brought %d requests", round, perRound[round])
			}
		}
		w.wantWhole("a")
	}, "a")
}

func TestRetryAfterIsObeyedInBothForms(t *testing.T) {
	for _, form := range []string{"seconds", "date"} {
		inWorld(t, func(w *world) {
			time.Sleep(300 * time.Millisecond) // a date has whole seconds only
			value := "20"
			if form == "date" {
				value = time.Now().Add(20 * time.Second).UTC().Truncate(time.Second).Add(time.Second).Format(http.TimeFormat)
			}
			asked := time.Now()
			w.sinks["a"].Script(webhooksink.Sequence(fault{Status: 429, RetryAfter: value}))
			w.emit("blue", 2)
			time.Sleep(5 * time.Second)
			w.emit("red", 2) // rate limits are the receiver's, not a room's
			w.wantWithin(20*time.Second, "a", "", 4)
			all := w.sinks["a"].Deliveries()
			if gap := all[1].At.Sub(asked); len(all) != 5 || gap < 20*time.Second {
				t.Errorf("%s: %d requests, the second after %s", form, len(all), gap)
			}
			w.wantWhole("a")
		}, "a")
	}
}

func TestGoneDisablesTheEndpointAndItsEventsStay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.emit("blue", 2)
		w.wantWithin(time.Second, "a", "", 2)
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 410} })
		w.emit("blue", 5)
		time.Sleep(time.Hour)
		w.restart()
		w.emit("red", 5)
		time.Sleep(time.Hour)
		if n := w.sinks["a"].Len(); n != 3 {
			t.Errorf("%d requests, want 2 and the one that was answered with 410", n)
		}
		w.wantWithin(0, "b", "", 12)
		stats := w.eng.Stats()[0]
		if stats.State != Disabled || stats.Lag != 10 {
			t.Errorf("stats %+v", stats)
		}
		w.sinks["a"].Script(nil)
		if err := w.eng.Resume(context.Background(), EndpointID("http://a/hook")); err != nil {
			t.Fatal(err)
		}
		w.wantWithin(time.Second, "a", "", 12)
		w.wantWhole("a")
		w.restart()
		w.emit("red", 1)
		w.wantWithin(time.Second, "a", "", 13)
		w.wantWhole("a")
	}, "a", "b")
}

func TestOneHangingEndpointOfAHundredLeavesTheOthersAlone(t *testing.T) {
	hosts := make([]string, 100)
	for i := range hosts {
		hosts[i] = "host" + string(rune('a'+i/10)) + string(rune('0'+i%10))
	}
	inWorld(t, func(w *world) {
		hung := w.sinks[hosts[0]]
		hung.Script(func(*webhooksink.Delivery) fault { return fault{Hang: true} })
		for i := range 40 {
			w.emit("room"+string(rune('a'+i%20)), 1)
		}
		for _, host := range hosts[1:] {
			w.wantWithin(20*time.Millisecond, host, "", 40)
			w.wantWhole(host)
		}
		hung.Script(nil)
		w.wantWithin(time.Minute, hosts[0], "", 40)
		w.wantWhole(hosts[0])
	}, hosts...)
}
