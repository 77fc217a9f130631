package delivery

import (
	"errors"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// session appends an event of a room's session.
func (w *world) session(name event.Name, room, sid string) {
	w.t.Helper()
	seq := w.log.Append(event.Event{Name: name, Time: time.Now(), Room: &livekit.Room{Name: room, Sid: sid}})
	if err := w.log.Sync(bg, seq); err != nil {
		w.t.Fatal(err)
	}
}

// of counts the accepted events of a room's session.
func (w *world) of(host, sid string) (n int) {
	for _, d := range w.sinks[host].Accepted() {
		if d.Event.Room.Sid == sid {
			n++
		}
	}
	return n
}

func (w *world) putRoom(room string, hooks ...Endpoint) []Endpoint {
	w.t.Helper()
	for i := range hooks {
		hooks[i].APIKey = "devkey"
	}
	made, err := w.eng.PutRoom(bg, room, hooks)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func TestRoomsEndpointGetsItsSessionFromTheFirstEventOnAndNoOther(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.session(event.RoomStarted, "den", "RM_1")
		hook := w.putRoom("den", Endpoint{URL: "http://a/"})[0]
		w.session(event.RoomFinished, "den", "RM_1") // the session before it ends just now
		w.session(event.RoomStarted, "den", "RM_2")
		time.Sleep(time.Minute)
		if n := w.sinks["a"].Len(); n != 0 {
			t.Fatalf("%d requests before it is known of which session it is", n)
		}
		if _, err := w.eng.Bind(bg, hook.ID, "RM_2"); err != nil {
			t.Fatal(err)
		}
		w.wantWithin(time.Minute, "a", "", 1)
		w.session(event.RoomStarted, "attic", "RM_3")
		w.restart()
		w.session(event.ParticipantJoined, "den", "RM_2")
		w.session(event.RoomFinished, "den", "RM_2")
		w.session(event.RoomStarted, "den", "RM_4")
		w.wantWithin(time.Minute, "a", "", 3)
		time.Sleep(time.Minute)
		if n := w.of("a", "RM_2"); n != 3 || w.sinks["a"].Len() != 3 {
			t.Errorf("%d events of its session among %d", n, w.sinks["a"].Len())
		}
		if _, err := w.eng.Endpoint(hook.ID); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("it is still there after its session: %v", err)
		}
	}, "a")
}

func TestSameURLForTheSameSessionIsOneEndpoint(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		first := w.putRoom("den", Endpoint{URL: "http://a/"}, Endpoint{URL: "http://b/"})
		w.session(event.RoomStarted, "den", "RM_1")
		for _, ep := range first {
			if _, err := w.eng.Bind(bg, ep.ID, "RM_1"); err != nil {
				t.Fatal(err)
			}
		}
		w.wantWithin(time.Minute, "a", "", 1) // the new filter would leave it out
		again := w.putRoom("den", Endpoint{URL: "http://a/", Filter: Filter{Events: []string{"room_finished"}}})[0]
		bound, err := w.eng.Bind(bg, again.ID, "RM_1")
		if err != nil || bound.ID != first[0].ID {
			t.Fatalf("%+v, %v", bound, err)
		}
		if all := w.eng.Endpoints(); len(all) != 3 { // and the config's
			t.Errorf("%d endpoints", len(all))
		}
		w.session(event.ParticipantJoined, "den", "RM_1")
		w.session(event.RoomFinished, "den", "RM_1")
		w.wantWithin(time.Minute, "b", "", 3)
		w.wantWithin(time.Minute, "a", "", 2) // room_started, and what the filter has left
		time.Sleep(time.Minute)
		if n := w.sinks["a"].Len(); n != 2 {
			t.Errorf("%d requests to the one that was changed", n)
		}
	}, "a", "b")
}

func TestEndpointsOfARoomThatWasNotMadeAreNotThereAfterACrash(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		hook := w.putRoom("den", Endpoint{URL: "http://a/"})[0]
		w.crash()
		if _, err := w.eng.Endpoint(hook.ID); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("%v", err)
		}
		again := w.putRoom("den", Endpoint{URL: "http://a/"})
		if err := w.eng.Drop(bg, again); err != nil {
			t.Error(err)
		}
		if n := len(w.eng.Endpoints()); n != 1 {
			t.Errorf("%d endpoints", n)
		}
	}, "a")
}

func TestHooksAreMadeAllOrNone(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		before := len(w.eng.Endpoints())
		for what, hooks := range map[string][]Endpoint{
			"a bad URL":      {{URL: "http://a/"}, {URL: "ftp://a/"}},
			"a wrong event":  {{URL: "http://a/"}, {URL: "http://a/", Filter: Filter{Events: []string{"x"}}}},
			"an unknown key": {{URL: "http://a/"}, {URL: "http://a/", APIKey: "nobody's"}},
			"too many":       make([]Endpoint, maxHooks+1),
		} {
			for i := range hooks {
				if hooks[i].APIKey == "" {
					hooks[i].APIKey = "devkey"
				}
			}
			if made, err := w.eng.PutRoom(bg, "den", hooks); !errors.Is(err, ErrEndpoint) || len(made) > 0 {
				t.Errorf("%s: %v, %v", what, made, err)
			}
		}
		if n := len(w.eng.Endpoints()); n != before {
			t.Errorf("%d endpoints are left", n-before)
		}
	}, "a")
}

func (w *world) egress(name event.Name, id string) {
	w.t.Helper()
	e := event.Event{Name: name, Time: time.Now(), Room: &livekit.Room{Name: "den", Sid: "RM_1"},
		Egress: &livekit.EgressInfo{EgressId: id, RoomName: "den"}}
	if err := w.log.Sync(bg, w.log.Append(e)); err != nil {
		w.t.Fatal(err)
	}
}

// The three defects of LiveKit's: the filter counts, a URL that hangs holds up
// nobody, and no key of the server is no deadlock but an error.
func TestEgressTellsItsOwnWebhooksByTheirFilter(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["hung"].Script(func(*webhooksink.Delivery) fault { return fault{Hang: true} })
		made, err := w.eng.PutEgress(bg, "EG_1", "devkey", []*livekit.WebhookConfig{
			{Url: "http://hung/"},
			{Url: "http://a/", FilterParams: &livekit.FilterParams{IncludeEvents: []string{"egress_ended"}, ExcludeEvents: []string{"egress_ended"}}},
			{Url: "http://b/", SigningKey: "devkey", FilterParams: &livekit.FilterParams{ExcludeEvents: []string{"egress_updated"}}},
		})
		if err != nil || len(made) != 3 {
			t.Fatalf("%v, %v", made, err)
		}
		w.emit("den", 5) // not the egress's
		w.egress(event.EgressStarted, "EG_1")
		w.egress(event.EgressStarted, "EG_2")
		for range 10 {
			w.egress(event.EgressUpdated, "EG_1")
		}
		w.egress(event.EgressEnded, "EG_1")
		w.wantWithin(time.Second, "a", "", 1)
		w.wantWithin(time.Second, "b", "", 2)
		time.Sleep(time.Minute)
		for host, want := range map[string][]string{"a": {"egress_ended"}, "b": {"egress_started", "egress_ended"}} {
			var got []string
			for _, d := range w.sinks[host].Deliveries() {
				got = append(got, d.Name())
				if d.Event.EgressInfo.EgressId != "EG_1" || d.Invalid != "" {
					t.Errorf("%s got %+v", host, d.Event)
				}
			}
			if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
				t.Errorf("%s got %v", host, got)
			}
		}
		if n := len(w.eng.Endpoints()); n != 2 { // the config's, and the one that hangs
			t.Errorf("%d endpoints are left", n)
		}
		time.Sleep(80 * time.Hour) // it is given up
		if n := len(w.eng.Endpoints()); n != 1 {
			t.Errorf("%d endpoints are left", n)
		}
		for what, hook := range map[string]*livekit.WebhookConfig{
			"no key": {Url: "http://a/"}, "another's key": {Url: "http://a/", SigningKey: "x"}, "no URL": {SigningKey: "devkey"},
		} {
			if _, err := w.eng.PutEgress(bg, "EG_3", "", []*livekit.WebhookConfig{hook}); !errors.Is(err, ErrEndpoint) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}, "a", "b", "hung")
}

// Nobody can have such an endpoint go on but by hand: it would hold its place in the
// log for good.
func TestEndpointOfWhatIsOverEndsAlsoIfNothingCanBeSentToIt(t *testing.T) {
	for what, hold := range map[string]func(*world){
		"410":         func(*world) {},
		"a crash":     (*world).crash,
		"no API key":  (*world).withoutKey,
		"held back":   func(w *world) { w.pauseScoped() },
		"key is back": func(w *world) { w.withoutKey(); w.options.Keys = map[string]string{"devkey": "secret"}; w.restart() },
	} {
		t.Run(what, func(t *testing.T) {
			inAPIWorld(t, func(w *world) {
				w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 410} })
				hook := w.putRoom("den", Endpoint{URL: "http://a/"})[0]
				w.session(event.RoomStarted, "den", "RM_1")
				if _, err := w.eng.Bind(bg, hook.ID, "RM_1"); err != nil {
					t.Fatal(err)
				}
				if _, err := w.eng.PutEgress(bg, "EG_1", "devkey", []*livekit.WebhookConfig{{Url: "http://a/"}}); err != nil {
					t.Fatal(err)
				}
				w.egress(event.EgressStarted, "EG_1")
				time.Sleep(time.Minute)
				hold(w)
				w.egress(event.EgressEnded, "EG_1")
				w.session(event.RoomFinished, "den", "RM_1")
				time.Sleep(70 * time.Hour)
				if n := len(w.eng.Endpoints()); n != 3 { // the config's too
					t.Errorf("%d endpoints while somebody may yet see to them", n)
				}
				time.Sleep(3 * time.Hour)
				if all := w.eng.Endpoints(); len(all) != 1 {
					t.Errorf("%d endpoints are left", len(all))
				}
			}, "a")
		})
	}
}

// pauseScoped holds the endpoints of rooms and egresses back.
func (w *world) pauseScoped() {
	w.t.Helper()
	for _, ep := range w.eng.Endpoints() {
		if ep.Scope == "" {
			continue
		}
		if err := w.eng.Pause(bg, ep.ID); err != nil {
			w.t.Fatal(err)
		}
	}
}
