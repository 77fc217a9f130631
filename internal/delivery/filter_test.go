package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestGlobsKnowStarAndQuestionMarkOnly(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "a/b", true}, {"**", "x", true}, {"track_*", "track_published", true}, {"track_*", "track", false},
		{"*_left", "participant_left", true}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-b-b-d", false}, {"?", "a", true}, {"?", "", false},
		{"[a]", "[a]", true}, {"[a]", "a", false}, {`\*`, `\x`, true}, {"room/*", "room/1/2", true}, {"a", "ab", false}, {"ab", "a", false},
		{"*a*a*a*a*a*b", strings.Repeat("a", 100), false},
	} {
		if got := glob(tc.pattern, tc.name); got != tc.want {
			t.Errorf("glob(%q, %q) = %t", tc.pattern, tc.name, got)
		}
	}
}

func TestEmptyFilterIsWhatLiveKitSends(t *testing.T) {
	m := newMatcher(&Endpoint{})
	for _, d := range event.Catalogue() {
		if got := m.match(&event.Record{Name: d.Name, Room: "blue"}); got != d.Stock {
			t.Errorf("%s: %t", d.Name, got)
		}
	}
}

func TestFilterTakesNamesRoomsAndScopes(t *testing.T) {
	egress := func(id string) *event.Record {
		ev := event.Event{Name: event.EgressEnded, Egress: &livekit.EgressInfo{EgressId: id, RoomName: "blue"}}
		body, err := ev.Body("x")
		if err != nil {
			t.Fatal(err)
		}
		return &event.Record{Name: ev.Name, Room: "blue", Body: body}
	}
	muted := &event.Record{Name: event.TrackMuted, Room: "blue"}
	tagged := &event.Record{Name: event.ParticipantJoined, Room: "den", Tags: map[string]string{"tenant": "acme", "floor": "2"}}
	joined := &event.Record{Name: event.ParticipantJoined, Room: "team/red"}
	for _, tc := range []struct {
		name string
		ep   Endpoint
		rec  *event.Record
		want bool
	}{
		{"stock only", Endpoint{}, muted, false},
		{"asked for", Endpoint{Filter: Filter{Events: []string{"track_*"}}}, muted, true},
		{"not asked for", Endpoint{Filter: Filter{Events: []string{"track_*"}}}, joined, false},
		{"excluded", Endpoint{Filter: Filter{Events: []string{"*"}, Exclude: []string{"track_m*"}}}, muted, false},
		{"excluded from the stock", Endpoint{Filter: Filter{Exclude: []string{"participant_*"}}}, joined, false},
		{"room", Endpoint{Filter: Filter{Rooms: []string{"x", "team/*"}}}, joined, true},
		{"other room", Endpoint{Filter: Filter{Rooms: []string{"team-*"}}}, joined, false},
		{"tags", Endpoint{Filter: Filter{Tags: map[string]string{"tenant": "acme"}}}, tagged, true},
		{"other value", Endpoint{Filter: Filter{Tags: map[string]string{"tenant": "acme", "floor": "3"}}}, tagged, false},
		{"other tag", Endpoint{Filter: Filter{Tags: map[string]string{"house": ""}}}, tagged, false},
		{"no tags", Endpoint{Filter: Filter{Tags: map[string]string{"tenant": "acme"}}}, joined, false},
		{"room scope", Endpoint{Source: SourceRoom, Scope: "team/red"}, joined, true},
		{"room scope is no glob", Endpoint{Source: SourceRoom, Scope: "*"}, joined, false},
		{"egress scope", Endpoint{Source: SourceEgress, Scope: "EG_1"}, egress("EG_1"), true},
		{"other egress", Endpoint{Source: SourceEgress, Scope: "EG_1"}, egress("EG_2"), false},
		{"no egress", Endpoint{Source: SourceEgress, Scope: "EG_1"}, joined, false},
		{"of a newer version", Endpoint{}, &event.Record{Name: "from_the_future"}, true},
		{"of a newer version, all asked for", Endpoint{Filter: Filter{Events: []string{"*"}}}, &event.Record{Name: "from_the_future"}, true},
		{"of a newer version, others asked for", Endpoint{Filter: Filter{Events: []string{"track_*"}}}, &event.Record{Name: "from_the_future"}, false},
	} {
		m := newMatcher(&tc.ep)
		if got := m.match(tc.rec); got != tc.want || (m.why(tc.rec) == "") != tc.want {
			t.Errorf("%s: %t, because %q", tc.name, got, m.why(tc.rec))
		}
	}
}

func TestEndpointsAreCheckedFieldByField(t *testing.T) {
	good := Endpoint{ID: "a", URL: "https://example.org/hook", APIKey: "key", Secret: "hush", Source: SourceAPI,
		Headers: map[string]string{"X-Team": "blue"}, Secrets: []Secret{{Value: NewSecret()}, {Value: NewSecret()}},
		Filter: Filter{Events: []string{"track_*", "room_started"}}, Rate: 10, Batch: Batch{Max: 500}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Endpoint){
		"mode":           func(e *Endpoint) { e.Mode = "sideways" },
		"format":         func(e *Endpoint) { e.Format = "xml" },
		"batch.max":      func(e *Endpoint) { e.Batch.Max = 501 },
		"batch.wait":     func(e *Endpoint) { e.Batch.Wait = -1 },
		"batch":          func(e *Endpoint) { e.Mode = Parallel },
		"rate":           func(e *Endpoint) { e.Rate = -1 },
		"clientCert":     func(e *Endpoint) { e.Source, e.ClientCert = SourceConfig, "x.pem" },
		"caFile":         func(e *Endpoint) { e.CAFile = "/etc/passwd" },
		"source":         func(e *Endpoint) { e.Source = "mars" },
		"scope":          func(e *Endpoint) { e.Source = SourceRoom },
		"headers":        func(e *Endpoint) { e.Headers = map[string]string{"authorization": "x"} },
		"secrets":        func(e *Endpoint) { e.Secrets = []Secret{{Value: "whsec_c2hvcnQ="}} },
		"filter.events":  func(e *Endpoint) { e.Filter.Events = []string{"no_such_event"} },
		"filter.exclude": func(e *Endpoint) { e.Filter.Exclude = []string{""} },
		"filter.rooms":   func(e *Endpoint) { e.Filter.Rooms = make([]string, 300) },
		"filter.tags":    func(e *Endpoint) { e.Filter.Tags = map[string]string{"": "b"} },
	} {
		bad := good.clone()
		change(&bad)
		var err *EndpointError
		if !errors.As(bad.Validate(), &err) || err.Field != field || !errors.Is(err, ErrEndpoint) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, h := range []map[string]string{
		{"a b": "x"}, {"": "x"}, {"X": "a\r\nB: c"}, {"X": "ü"}, {"webhook-id": "1"}, {"rollcall-seq": "1"}, {"CE-id": "1"}, {"Host": "x"},
	} {
		bad := good.clone()
		bad.Headers = h
		if !errors.Is(bad.Validate(), ErrEndpoint) {
			t.Errorf("headers %q pass", h)
		}
	}
}

func TestRedactedEndpointsHoldNoSecrets(t *testing.T) {
	e := Endpoint{URL: "https://user:hush@example.org/hook?token=hush", APIKey: "key", Secret: "hush",
		Headers: map[string]string{"X-Token": "hush"}, Secrets: []Secret{{Value: "whsec_hush"}}}
	r := e.Redacted()
	if r.URL != "https://example.org/hook" || r.Secret != "" || r.Headers["X-Token"] != "…" || r.Secrets[0].Value != "whsec_…" {
		t.Errorf("%+v", r)
	}
	if e.Headers["X-Token"] != "hush" || e.Secrets[0].Value != "whsec_hush" {
		t.Error("the original changed")
	}
}
