package delivery

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

func TestCloudEventsStandInHeadersBesideTheSameBody(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a", Format: CloudEvents})
		w.emit(`50% "blau" ü`, 1)
		w.wantWithin(time.Second, "a", "", 1)
		h := w.sinks["a"].Deliveries()[0].Header
		rec := w.records()[0]
		for name, want := range map[string]string{
			"ce-specversion": "1.0", "ce-id": rec.ID, "ce-type": "rollcall.track_published", "ce-subject": "TR_1",
			"ce-source": "/rollcall/rooms/50%2525%2520%2522blau%2522%2520%25C3%25BC", "ce-time": "2000-01-01T00:00:00.000000Z",
			"ce-sequence": "1", "ce-roomsequence": "1", "content-type": "application/json",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		w.wantWhole("a")
	}, "a")
}

func TestBatchesHoldEventsOfAllRoomsInOrder(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		var mu sync.Mutex
		bad := make(map[string]bool) // mu guards
		var got []string             // mu guards; ids, as accepted
		accepted := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(got)
		}
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
			mu.Lock()
			defer mu.Unlock()
			var events []struct {
				ID   string
				Room struct{ Name string }
			}
			if err := json.Unmarshal(d.Body, &events); err != nil || d.Header.Get("Content-Type") != "application/webhook-batch+json" {
				t.Errorf("request %d: %v, %v", d.N, err, d.Header)
			}
			for _, e := range events {
				if bad[e.ID] {
					return fault{Status: 400}
				}
			}
			for _, e := range events {
				got = append(got, e.ID)
			}
			return fault{Status: 200}
		})
		w.put(Endpoint{ID: "a", Batch: Batch{Max: 100}})
		w.emit("blue", 3)
		w.emit("red", 3)
		time.Sleep(40 * time.Millisecond)
		if n := accepted(); n != 0 {
			t.Errorf("%d events before the batch has waited", n)
		}
		time.Sleep(20 * time.Millisecond)
		if n := w.sinks["a"].Len(); n != 1 || accepted() != 6 {
			t.Errorf("%d requests with %d events, want one with six", n, accepted())
		}
		for range 25 {
			w.emit("blue", 20)
			w.emit("green", 20)
		}
		time.Sleep(200 * time.Millisecond)
		if n := w.sinks["a"].Len(); n > 15 || accepted() != 1006 {
			t.Errorf("%d requests with %d events, want 1006 in a dozen", n, accepted())
		}
		// One event that is refused alone is found, and the others go on.
		w.emit("blue", 50)
		recs := w.records()
		poisoned := recs[len(recs)-20].ID
		mu.Lock()
		bad[poisoned] = true
		mu.Unlock()
		time.Sleep(5 * time.Minute)
		if dead, err := w.eng.DeadLetters(bg, "a", 0, 10); err != nil || len(dead) != 1 || dead[0].EventID != poisoned {
			t.Errorf("dead letters %+v, %v", dead, err)
		}
		w.crash()
		mu.Lock()
		delete(bad, poisoned)
		mu.Unlock()
		time.Sleep(2 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		want := make([]string, 0, len(recs))
		for _, rec := range recs {
			if rec.ID != poisoned {
				want = append(want, rec.ID)
			}
		}
		if want = append(want, poisoned); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%d events in another order than %d in the log", len(got), len(want))
		}
	}, "a")
}

func TestFullTrackContextIsWhatWasThereWhenItHappened(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a", FullTrackContext: true})
		w.put(Endpoint{ID: "b"})
		w.log.Append(event.Event{
			Name: event.TrackPublished, Time: time.Now(), Track: &livekit.TrackInfo{Sid: "TR_1"},
			Room:        &livekit.Room{Name: "blue", Sid: "RM_1", Metadata: "of the room"},
			Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana", Attributes: map[string]string{"plan": "free"}},
		})
		w.wantWithin(time.Second, "a", "", 1)
		w.wantWithin(time.Second, "b", "", 1)
		full, short := w.sinks["a"].Deliveries()[0], w.sinks["b"].Deliveries()[0]
		if full.Invalid != "" || full.Event.Room.Metadata != "of the room" || full.Event.Participant.Attributes["plan"] != "free" {
			t.Errorf("full: %s %s", full.Invalid, full.Body)
		}
		if short.Event.Room.Metadata != "" || short.ID() != full.ID() {
			t.Errorf("short: %s", short.Body)
		}
	}, "a", "b")
}

func TestRateIsTheEndpointsOrTheReceivers(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a", Rate: 10})
		for i := range 100 {
			w.emit("room"+string(rune('a'+i%20)), 1)
		}
		w.wantWithin(10*time.Second, "a", "", 100)
		all := w.sinks["a"].Deliveries()
		if took := all[99].At.Sub(all[0].At); took < 9*time.Second {
			t.Errorf("100 requests in %s at 10 a second", took)
		}
	}, "a")
	p := pace{given: 50}
	now := time.Unix(1000, 0)
	p.allowed = 2
	p.sent(now)
	p.sent(now)
	if at := p.wait(now); at.Sub(now) < 800*time.Millisecond {
		t.Errorf("after two at 2 a second the next may go %s later", at.Sub(now))
	}
	if p.allowed = 0; p.rate() != 50 {
		t.Errorf("rate %g", p.rate())
	}
	for value, want := range map[string]float64{"120": 2, " 30 ": 0.5, "*": 0} {
		if got, ok := allowedRate(value); !ok || got != want {
			t.Errorf("%q: %g, %t", value, got, ok)
		}
	}
	for _, value := range []string{"", "0", "-1", "fast", "1.5"} {
		if _, ok := allowedRate(value); ok {
			t.Errorf("%q is taken", value)
		}
	}
}

func TestReceiverSetsTheRate(t *testing.T) {
	var mu sync.Mutex
	var arrived []time.Time // mu guards
	inAPIWorld(t, func(w *world) {
		w.pipe.Serve("c", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			arrived = append(arrived, time.Now())
			mu.Unlock()
			rw.Header().Set("WebHook-Allowed-Rate", "60")
		}), nil)
		w.put(Endpoint{ID: "c"})
		w.emit("blue", 10)
		time.Sleep(20 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(arrived) != 10 || arrived[9].Sub(arrived[1]) < 7*time.Second {
			t.Errorf("%d requests, %s from the second to the last", len(arrived), arrived[len(arrived)-1].Sub(arrived[1]))
		}
	})
}

func TestKeptResponsesAreTextAndShort(t *testing.T) {
	if got := printable([]byte("no\x00such\x1b[31m key\nline ü \xff")); got != "nosuch[31m key\nline ü " {
		t.Errorf("%q", got)
	}
}
