package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

var bg = context.Background()

// inAPIWorld is a world whose receivers are endpoints of the API, "a" and "b" by
// ID, and none of the config.
func inAPIWorld(t *testing.T, script func(*world), hosts ...string) {
	inWorld(t, func(w *world) {
		w.stop(time.Second)
		w.options.Endpoints = []Endpoint{hostEndpoint("config")}
		w.options.Keys = map[string]string{"devkey": "secret"}
		w.start()
		script(w)
	}, hosts...)
}

func (w *world) put(ep Endpoint) Endpoint {
	w.t.Helper()
	if ep.URL == "" {
		ep.URL = "http://" + ep.ID + "/hook"
	}
	ep.APIKey = "devkey"
	got, err := w.eng.Put(bg, ep)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func TestEndpointOfTheAPIGetsWhatComesAfterItAndOutlivesCrashes(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.emit("blue", 3)
		made := w.put(Endpoint{ID: "a", Headers: map[string]string{"X-Team": "blue"}})
		if made.Source != SourceAPI || made.Created.IsZero() || made.Secret != "secret" {
			t.Errorf("made %+v", made)
		}
		w.crash() // Put returned: it is stored
		w.emit("blue", 2)
		w.wantWithin(time.Second, "a", "", 2)
		if got := w.sinks["a"].Deliveries()[0]; got.Header.Get("X-Team") != "blue" || got.Header.Get(headerSeq) != "4" {
			t.Errorf("first delivery %v", got.Header)
		}
		if all := w.eng.Endpoints(); len(all) != 2 || all[0].Source != SourceConfig || all[1].ID != "a" {
			t.Errorf("endpoints %+v", all)
		}
		if err := w.eng.Delete(bg, "a"); err != nil {
			t.Fatal(err)
		}
		w.emit("blue", 2)
		w.crash()
		w.emit("blue", 2)
		synctest.Wait()
		if n := w.sinks["a"].Len(); n != 2 {
			t.Errorf("%d deliveries, 2 before it was deleted", n)
		}
		if _, err := w.eng.Endpoint("a"); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("a deleted endpoint: %v", err)
		}
		if left, err := w.log.LoadCursors("delivery"); err != nil {
			t.Error(err)
		} else {
			for key := range left {
				if strings.Contains(key, "/a") {
					t.Errorf("%s is left of a deleted endpoint", key)
				}
			}
		}
		time.Sleep(time.Second)
		if again := w.put(Endpoint{ID: "a"}); again.Created.Equal(made.Created) {
			t.Error("an endpoint of the same ID is the old one")
		}
	}, "a")
}

func TestConfigEndpointsAreReadOnlyButCanBePaused(t *testing.T) {
	inWorld(t, func(w *world) {
		id := EndpointID("http://a/hook")
		if err := w.eng.Delete(bg, id); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Delete = %v", err)
		}
		if _, err := w.eng.Put(bg, Endpoint{ID: id, URL: "http://b/", APIKey: "devkey", Secret: "secret"}); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Put = %v", err)
		}
		if _, err := w.eng.RotateSecret(bg, id, 0); !errors.Is(err, ErrReadOnly) {
			t.Errorf("RotateSecret = %v", err)
		}
		if err := w.eng.Pause(bg, id); err != nil {
			t.Fatal(err)
		}
		w.emit("blue", 3)
		w.crash() // a pause is stored when Pause returns
		time.Sleep(time.Hour)
		if n := w.sinks["a"].Len(); n != 0 {
			t.Errorf("%d deliveries to a paused endpoint", n)
		}
		if s := w.eng.Stats()[0]; s.State != Paused || s.Lag != 3 {
			t.Errorf("stats %+v", s)
		}
		if err := w.eng.Resume(bg, id); err != nil {
			t.Fatal(err)
		}
		w.wantWithin(time.Second, "a", "", 3)
		w.wantWhole("a")
	}, "a")
}

func TestChangedFilterIsInForceWhenAnEventsTurnComes(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 503} })
		w.put(Endpoint{ID: "a"})
		w.emit("blue", 2)
		w.emit("red", 2)
		time.Sleep(10 * time.Second)
		w.put(Endpoint{ID: "a", Filter: Filter{Rooms: []string{"r*"}}})
		w.sinks["a"].Script(nil)
		w.emit("blue", 2)
		w.emit("red", 2)
		w.wantWithin(time.Minute, "a", "red", 4)
		for _, d := range webhooksink.Accepted(w.sinks["a"].Deliveries()) {
			if d.Room() != "red" {
				t.Errorf("request %d is of room %s", d.N, d.Room())
			}
		}
		// The URL moves, the place stays.
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 500} })
		w.emit("red", 2)
		time.Sleep(time.Second)
		w.put(Endpoint{ID: "a", URL: "http://b/hook"})
		w.wantWithin(time.Minute, "b", "red", 2)
		if n := len(w.sinks["b"].Deliveries()); n != 2 {
			t.Errorf("%d requests at the new URL for what the old one did not accept", n)
		}
	}, "a", "b")
}

func TestFilterChangesWhileARequestIsInFlight(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Delay: 3 * time.Second} })
		w.put(Endpoint{ID: "a"})
		w.emit("blue", 5)
		time.Sleep(time.Second)
		w.put(Endpoint{ID: "a", Filter: Filter{Rooms: []string{"red"}}})
		w.emit("red", 1)
		w.wantWithin(10*time.Second, "a", "red", 1)
		time.Sleep(time.Minute)
		if n := w.sinks["a"].Len(); n != 2 {
			t.Errorf("%d requests, want the one that was in flight and the one that is wanted", n)
		}
		if s := w.eng.Stats()[1]; s.Lag != 0 || s.Lanes != 0 {
			t.Errorf("stats %+v", s)
		}
	}, "a")
}

func TestRotatedSecretsOverlap(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		signatures := func() int {
			w.emit("blue", 1)
			synctest.Wait()
			all := w.sinks["a"].Deliveries()
			return len(strings.Fields(all[len(all)-1].Header.Get("Webhook-Signature")))
		}
		if n := signatures(); n != 1 {
			t.Errorf("%d signatures at first", n)
		}
		first, err := w.eng.RotateSecret(bg, "a", time.Hour)
		if err != nil || len(first.Secrets) != 2 || first.Secrets[1].Value != "" {
			t.Fatalf("%+v, %v", first.Secrets, err)
		}
		if n := signatures(); n != 2 {
			t.Errorf("%d signatures during the overlap", n)
		}
		time.Sleep(2 * time.Hour)
		if n := signatures(); n != 1 {
			t.Errorf("%d signatures after it", n)
		}
		second, err := w.eng.RotateSecret(bg, "a", time.Hour)
		if err != nil || len(second.Secrets) != 2 || second.Secrets[1].Value != first.Secrets[0].Value {
			t.Errorf("%+v, %v", second.Secrets, err)
		}
		w.crash()
		if got, err := w.eng.Endpoint("a"); err != nil || got.Secrets[0] != second.Secrets[0] {
			t.Errorf("after a crash %+v, %v", got.Secrets, err)
		}
		if last, err := w.eng.RotateSecret(bg, "a", 0); err != nil || len(last.Secrets) != 1 {
			t.Errorf("at once: %+v, %v", last.Secrets, err)
		}
	}, "a")
}

func TestScopedEndpointsEndWithTheirRoomOrEgress(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		for _, ep := range []Endpoint{
			{ID: "a", URL: "http://a/", Source: SourceRoom, Scope: "blue", Session: "RM_blue"},
			{ID: "b", URL: "http://b/", Source: SourceEgress, Scope: "EG_1", Filter: Filter{Exclude: []string{"egress_updated"}}},
		} {
			ep.APIKey = "devkey"
			if _, err := w.eng.PutScoped(bg, ep); err != nil {
				t.Fatal(err)
			}
		}
		egress := func(name event.Name, id string) event.Event {
			return event.Event{Name: name, Time: time.Now(), Room: &livekit.Room{Name: "blue"}, Egress: &livekit.EgressInfo{EgressId: id, RoomName: "blue"}}
		}
		w.sinks["a"].Script(webhooksink.Sequence(fault{Status: 500}, fault{Status: 500}))
		w.log.Append(roomEvent("blue"), roomEvent("red"), egress(event.EgressStarted, "EG_1"), egress(event.EgressUpdated, "EG_1"),
			egress(event.EgressEnded, "EG_2"))
		w.restart()
		w.log.Append(egress(event.EgressEnded, "EG_1"), event.Event{Name: event.RoomFinished, Time: time.Now(), Room: &livekit.Room{Name: "blue", Sid: "RM_blue"}})
		w.wantWithin(time.Minute, "a", "blue", 6)
		w.wantWithin(time.Minute, "b", "blue", 2)
		time.Sleep(time.Second)
		if all := w.eng.Endpoints(); len(all) != 1 {
			t.Errorf("%d endpoints are left: %+v", len(all), all)
		}
		w.log.Append(roomEvent("blue"))
		w.crash()
		if all := w.eng.Endpoints(); len(all) != 1 {
			t.Errorf("%d endpoints come back", len(all))
		}
		if _, err := w.eng.PutScoped(bg, Endpoint{URL: "http://a/", APIKey: "devkey", Source: SourceAPI}); !errors.Is(err, ErrEndpoint) {
			t.Errorf("PutScoped of an API endpoint: %v", err)
		}
	}, "a", "b")
}

func TestTestEventIsSignedMarkedAndNotInTheLog(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a", Paused: true})
		a, err := w.eng.Test(bg, "a")
		if err != nil || !a.Delivered() || !a.Requested {
			t.Fatalf("%+v, %v", a, err)
		}
		d := w.sinks["a"].Deliveries()[0]
		if d.Invalid != "" || d.Header.Get(headerTest) != "true" || d.Name() != "room_started" {
			t.Errorf("%+v", d)
		}
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 500, BodySize: 10} })
		if a, err := w.eng.Test(bg, "a"); err != nil || a.Status != 500 || a.Delivered() {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := w.eng.Test(bg, "none"); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("%v", err)
		}
	}, "a")
}

func TestModeCanChangeAndNothingIsLost(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
			if d.N%3 == 0 {
				return fault{Status: 500}
			}
			return fault{Delay: 10 * time.Millisecond}
		})
		w.put(Endpoint{ID: "a"})
		w.emit("blue", 20)
		w.emit("red", 20)
		time.Sleep(50 * time.Millisecond)
		w.put(Endpoint{ID: "a", Mode: Parallel})
		w.emit("blue", 20)
		time.Sleep(50 * time.Millisecond)
		w.put(Endpoint{ID: "a"})
		w.emit("red", 20)
		w.sinks["a"].Script(nil)
		w.wantWithin(time.Hour, "a", "", 80)
		for end := time.Now().Add(time.Hour); w.eng.Stats()[1].Lag != 0; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatalf("stats %+v", w.eng.Stats()[1]) // what was accepted before the change may be sent again
			}
		}
	}, "a")
}

// What is done to an endpoint while a request is in flight takes nothing from
// the events behind it, and repeats none that was accepted.
func TestEndpointIsChangedWhileARequestIsInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(w *world) error
		at   string // where the rest goes
		want int    // of 5 events, at "a" and there
	}{
		"another URL": {func(w *world) error {
			w.put(Endpoint{ID: "a", URL: "http://b/hook"})
			return nil
		}, "b", 5},
		"another secret": {func(w *world) error {
			_, err := w.eng.RotateSecret(bg, "a", time.Hour)
			return err
		}, "a", 5},
		"paused and resumed": {func(w *world) error {
			if err := w.eng.Pause(bg, "a"); err != nil {
				return err
			}
			time.Sleep(time.Minute)
			if n := w.sinks["a"].Len(); n != 1 {
				w.t.Errorf("%d requests while it was paused", n)
			}
			return w.eng.Resume(bg, "a")
		}, "a", 5},
		"deleted": {func(w *world) error { return w.eng.Delete(bg, "a") }, "a", 0}, // the request is broken off
	} {
		t.Run(name, func(t *testing.T) {
			inAPIWorld(t, func(w *world) {
				w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Delay: 3 * time.Second} })
				w.put(Endpoint{ID: "a"})
				w.emit("blue", 5)
				time.Sleep(time.Second)
				if err := test.do(w); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				all := w.sinks["a"].Accepted()
				if test.at != "a" {
					all = append(all, w.sinks[test.at].Accepted()...)
				}
				seen := make(map[string]int)
				for _, d := range append(w.sinks["a"].Deliveries(), w.sinks["b"].Deliveries()...) {
					if d.Accepted() {
						seen[d.ID()]++
					}
				}
				for id, n := range seen {
					if n > 1 {
						t.Errorf("event %s was accepted %d times", id, n)
					}
				}
				if len(seen) != test.want || !inOrder(all) {
					t.Errorf("%d events accepted, want %d in order", len(seen), test.want)
				}
			}, "a", "b")
		})
	}
}

func TestOnlyResumeOrAnotherURLEndsWhatA410Did(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		got := w.put(Endpoint{ID: "a"})
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 410} })
		w.emit("blue", 1)
		synctest.Wait()
		w.sinks["a"].Script(nil)
		disabled := func(when string) {
			t.Helper()
			synctest.Wait()
			if s := w.eng.Stats()[1]; s.State != Disabled || w.sinks["a"].Len() != 1 {
				t.Errorf("%s: state %s after %d requests", when, s.State, w.sinks["a"].Len())
			}
		}
		disabled("after a 410")
		got.Description = "of the crm"
		got = w.put(got)
		disabled("put with another description")
		if _, err := w.eng.RotateSecret(bg, "a", time.Hour); err != nil {
			t.Fatal(err)
		}
		disabled("rotated")
		for _, paused := range []bool{true, false} {
			got.Paused = paused
			got = w.put(got)
			disabled("paused and let go on")
		}
		w.crash()
		disabled("after a crash")
		got.URL = "http://b/hook"
		got = w.put(got)
		w.wantWithin(time.Second, "b", "", 1)

		w.sinks["b"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 410} })
		w.emit("blue", 1)
		synctest.Wait()
		w.sinks["b"].Script(nil)
		if err := w.eng.Resume(bg, "a"); err != nil {
			t.Fatal(err)
		}
		w.wantWithin(time.Second, "b", "", 2)
	}, "a", "b")
}
