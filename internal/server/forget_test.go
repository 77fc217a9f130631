package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestForgottenParticipantIsInNoAnswerAndNoDelivery(t *testing.T) {
	sink, receiver := newSink(t)
	sink.Script(func(*webhooksink.Delivery) webhooksink.Fault { return webhooksink.Fault{Status: 503} })
	dir := t.TempDir()
	cfg := configure(t, dir, fmt.Sprintf("webhook: {urls: ['%s']}", receiver.URL))
	s := start(t, cfg)
	c := caller{t: t, s: s}
	for _, who := range []string{"alice", "bob"} {
		conn, _ := dial(t, s, who)
		_ = conn.CloseNow()
	}
	everything := func() string {
		_, events := c.call("GET", "/events?wait=0&limit=1000", "")
		_, state := c.call("GET", "/rooms/demo/state", "")
		_, why := c.call("GET", "/events/2/why", "")
		return events + state + why
	}
	c.eventually("both have left", func() bool { return strings.Count(everything(), "connection_aborted") >= 2 })
	if !strings.Contains(everything(), "alice") {
		t.Fatal("she is nowhere: this test sees nothing")
	}
	status, body := c.call("POST", "/log/forget", `{"identity":"alice","room":"demo"}`)
	if status != 200 || !strings.Contains(body, `"pseudonym":"forgotten-`) || strings.Contains(body, `"events":0`) {
		t.Fatalf("%d %s", status, body)
	}
	if all := everything(); strings.Contains(all, "alice") || !strings.Contains(all, "bob") || !strings.Contains(all, "forgotten-") {
		t.Errorf("she is still there: %s", all)
	}
	refused := sink.Len()
	sink.Script(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	all, err := sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool { return len(webhooksink.Accepted(all)) >= 3 })
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all[refused:] {
		if strings.Contains(string(d.Body), "alice") {
			t.Errorf("request %d: %s", d.N, d.Body)
		}
	}
	stop(t, s)
	c.s = start(t, cfg)
	if all := everything(); strings.Contains(all, "alice") {
		t.Errorf("after a restart: %s", all)
	}
}

func TestForgettingWantsItsGrant(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), ""))
	for what, grant := range map[string]token.RollcallGrant{
		"none":            {Events: true, Endpoints: true},
		"another room's":  {Forget: true, Room: "attic"},
		"one room's only": {Forget: true, Room: "den"},
	} {
		c := caller{t: t, s: s, grant: &grant}
		body := `{"identity":"alice","room":"den"}`
		want := 403
		if what == "one room's only" {
			if status, _ := c.call("POST", "/log/forget", body); status != 200 {
				t.Errorf("%s: %d in its room", what, status)
			}
			body = `{"identity":"alice"}`
		}
		if status, answer := c.call("POST", "/log/forget", body); status != want {
			t.Errorf("%s: %d %s", what, status, answer)
		}
	}
	c := caller{t: t, s: s}
	for body, want := range map[string]int{`{}`: 400, `{"identity":""}`: 400, `{"name":"alice"}`: 400, `{"identity":"nobody"}`: 200} {
		if status, answer := c.call("POST", "/log/forget", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
