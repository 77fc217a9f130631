package sample

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestEveryEventHasAnExample(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, d := range event.Catalogue() {
		e, ok := Event(d.Name, Options{Room: "den", Identity: "eve"}, now)
		if !ok {
			t.Fatalf("%s: none", d.Name)
		}
		r, err := Record(e, "id-1")
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		if body["event"] != string(d.Name) || body["id"] != "id-1" || r.Room != "den" && d.Scope != event.ScopeJob {
			t.Errorf("%s: %s", d.Name, r.Body)
		}
		for field, scopes := range map[string][]event.Scope{
			"participant": {event.ScopeParticipant, event.ScopeTrack},
			"track":       {event.ScopeTrack},
			"egressInfo":  {event.ScopeEgress},
			"ingressInfo": {event.ScopeIngress},
			"job":         {event.ScopeJob},
		} {
			want := false
			for _, s := range scopes {
				want = want || s == d.Scope
			}
			if _, has := body[field]; has != want {
				t.Errorf("%s has %s: %t, want %t", d.Name, field, has, want)
			}
		}
		if _, has := body["rollcall"]; has != (d.Detail != nil) {
			t.Errorf("%s has rollcall: %t", d.Name, has)
		}
	}
	if _, ok := Event("party", Options{}, now); ok {
		t.Error("there is an example of no event")
	}
}
