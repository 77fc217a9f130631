package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

func eventsOf(room string) token.Claims {
	return token.Claims{Rollcall: &token.RollcallGrant{Events: true, Room: room}}
}

// as sends a request of a bearer and returns the status and the JSON.
func (a *api) as(t *testing.T, c token.Claims, method, path, body string) (int, map[string]any) {
	t.Helper()
	resp := a.request(t, method, path, body, "Authorization", "Bearer "+mint(t, c))
	var v map[string]any
	if b := text(t, resp); b != "" {
		if err := json.Unmarshal([]byte(b), &v); err != nil {
			t.Fatalf("%s %s: %d %q", method, path, resp.StatusCode, b)
		}
	}
	return resp.StatusCode, v
}

func (a *api) wantStatus(t *testing.T, c token.Claims, method, path, body string, status int) map[string]any {
	t.Helper()
	got, v := a.as(t, c, method, path, body)
	if got != status {
		t.Fatalf("%s %s %s: %d %v, want %d", method, path, body, got, v, status)
	}
	return v
}

func TestConsumerGoesOnWhereItAcknowledged(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	all := eventsGrant()
	c := a.wantStatus(t, all, "PUT", "/consumers/crm", `{"after":0}`, 201)
	if c["cursor"] != 0.0 || c["lag"] != 3.0 || c["name"] != "crm" || c["earliest"] != 1.0 {
		t.Errorf("a new consumer: %v", c)
	}
	page := func() (seqs []float64) {
		v := a.wantStatus(t, all, "GET", "/events?consumer=crm&wait=0&limit=2", "", 200)
		for _, e := range v["events"].([]any) {
			seqs = append(seqs, e.(map[string]any)["seq"].(float64))
		}
		return seqs
	}
	for range 2 { // what is not acknowledged comes again
		if got := page(); len(got) != 2 || got[0] != 1 {
			t.Errorf("first page %v, want 1 and 2", got)
		}
	}
	a.wantStatus(t, all, "POST", "/consumers/crm/ack", `{"seq":2}`, 200)
	if got := page(); len(got) != 1 || got[0] != 3 {
		t.Errorf("after ack of 2: %v, want 3", got)
	}
	// A late acknowledgement moves nothing back.
	if v := a.wantStatus(t, all, "POST", "/consumers/crm/ack", `{"seq":1}`, 200); v["cursor"] != 2.0 {
		t.Errorf("ack of 1 after 2: %v", v)
	}
	// A PUT without a place keeps it; one with moves it.
	if v := a.wantStatus(t, all, "PUT", "/consumers/crm", `{"types":["room_*"]}`, 200); v["cursor"] != 2.0 {
		t.Errorf("PUT: %v", v)
	}
	if v := a.wantStatus(t, all, "PUT", "/consumers/crm", `{"after":1}`, 200); v["cursor"] != 1.0 || v["types"] != nil {
		t.Errorf("PUT with after: %v", v)
	}
}

func TestConsumersOutliveTheServer(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`, `{}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", "", 201)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/gone", "", 201)
	a.wantStatus(t, eventsGrant(), "DELETE", "/consumers/gone", "", 204)
	b := newAPI(t, func(o *Options) { o.Consumers, o.Log = NewConsumers(a.store), a.log })
	v := b.wantStatus(t, eventsGrant(), "GET", "/consumers", "", 200)
	list := v["consumers"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["cursor"] != 2.0 {
		t.Errorf("after a restart: %v", v)
	}
}

func TestConsumersNeedWhatTheSlowestHasNotAcknowledged(t *testing.T) {
	a := newAPI(t)
	needs := func() string { return fmt.Sprint(NewConsumers(a.store).Needs()) }
	if got := needs(); got != "[]" {
		t.Errorf("without a consumer: %s", got)
	}
	a.log.append("den", `{}`, `{}`, `{}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/quick", `{"after":3}`, 201)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/slow", `{"after":1}`, 201)
	if got := needs(); got != "[{consumer quick 4} {consumer slow 2}]" {
		t.Errorf("Needs = %s", got)
	}
	a.store.values["consumer/bad"] = []byte("{")
	if got := needs(); got != "[{consumer (unknown) 1}]" {
		t.Errorf("Needs = %s; want the beginning when nothing is known", got)
	}
}

func TestAcknowledgementThatCannotBeKeptFails(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", `{"after":0}`, 201)
	a.store.fail = errors.New("disk at /var/x is full")
	a.wantStatus(t, eventsGrant(), "POST", "/consumers/crm/ack", `{"seq":1}`, 500)
	a.store.fail = nil
	if v := a.wantStatus(t, eventsGrant(), "GET", "/consumers/crm", "", 200); v["cursor"] != 0.0 {
		t.Errorf("the cursor moved although it was not kept: %v", v)
	}
}

func TestConsumersAreOfWhoMayReadTheirRoom(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`)
	a.log.append("attic", `{}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/all", `{"after":0}`, 201)
	a.wantStatus(t, eventsOf("den"), "PUT", "/consumers/den", `{"room":"den","after":0}`, 201)
	for _, tc := range []struct {
		method, path, body string
	}{
		{"PUT", "/consumers/x", ""},
		{"PUT", "/consumers/x", `{"room":"attic"}`},
		{"PUT", "/consumers/all", `{"room":"den"}`},
		{"GET", "/consumers/all", ""},
		{"DELETE", "/consumers/all", ""},
		{"POST", "/consumers/all/ack", `{"seq":1}`},
		{"GET", "/events?consumer=all&wait=0", ""},
	} {
		if v := a.wantStatus(t, eventsOf("den"), tc.method, tc.path, tc.body, 403); v["code"] != "permission_denied" {
			t.Errorf("%s %s: %v", tc.method, tc.path, v)
		}
	}
	if v := a.wantStatus(t, eventsOf("den"), "GET", "/consumers", "", 200); len(v["consumers"].([]any)) != 1 {
		t.Errorf("a room's reader sees %v", v)
	}
	v := a.wantStatus(t, eventsOf("den"), "GET", "/events?consumer=den&wait=0", "", 200)
	if len(v["events"].([]any)) != 1 {
		t.Errorf("den's consumer reads %v", v)
	}
	a.wantStatus(t, token.Claims{}, "GET", "/consumers", "", 403)
	a.wantStatus(t, token.Claims{}, "GET", "/consumers/none", "", 403)
}

func TestConsumersTellWhatIsWrong(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", `{"after":0}`, 201)
	for _, tc := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/consumers/a%20b", "", 400, "letters"},
		{"PUT", "/consumers/" + strings.Repeat("a", 65), "", 400, "letters"},
		{"PUT", "/consumers/crm", `{"aftr":1}`, 400, `"aftr"`},
		{"PUT", "/consumers/crm", `{"after":"1"}`, 400, "after"},
		{"PUT", "/consumers/crm", `{`, 400, "no JSON"},
		{"PUT", "/consumers/crm", `{} {}`, 400, "more than one"},
		{"PUT", "/consumers/crm", `{"after":2}`, 400, "ahead of the log"},
		{"PUT", "/consumers/crm", `{"types":["x"]}`, 400, "no event"},
		{"PUT", "/consumers/crm", `{"room":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "longer"},
		{"POST", "/consumers/crm/ack", ``, 400, "seq"},
		{"POST", "/consumers/crm/ack", `{"seq":2}`, 400, "ahead of the log"},
		{"POST", "/consumers/crm/ack", `{"seq":-1}`, 400, "seq"},
		{"POST", "/consumers/none/ack", `{"seq":1}`, 404, "PUT"},
		{"GET", "/consumers/none", ``, 404, "PUT"},
		{"GET", "/events?consumer=none", ``, 404, "PUT"},
		{"POST", "/consumers/crm", ``, 405, "DELETE, GET, PUT"},
	} {
		status, v := a.as(t, eventsGrant(), tc.method, tc.path, tc.body)
		if msg, _ := v["message"].(string); status != tc.status || !strings.Contains(msg, tc.says) {
			t.Errorf("%s %s %.40s: %d %v, want %d saying %q", tc.method, tc.path, tc.body, status, v, tc.status, tc.says)
		}
	}
}

func TestExpiredCursorIsGoneAndNamesTheEarliest(t *testing.T) {
	a := newAPI(t)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", `{"after":0}`, 201)
	a.log.append("den", `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`)
	a.log.first = 4
	for _, path := range []string{"/events?after=1", "/events?after=2&wait=0", "/events?consumer=crm", "/rooms/den/state?seq=2"} {
		v := a.wantStatus(t, eventsGrant(), "GET", path, "", http.StatusGone)
		if v["earliest"] != 4.0 || !strings.Contains(v["message"].(string), "after=3") {
			t.Errorf("%s: %v", path, v)
		}
	}
	// Who has nothing yet, or has all that is gone, is not behind.
	for _, path := range []string{"/events?wait=0", "/events?after=0&wait=0", "/events?after=3&wait=0"} {
		if v := a.wantStatus(t, eventsGrant(), "GET", path, "", 200); len(v["events"].([]any)) != 1 {
			t.Errorf("%s: %v", path, v)
		}
	}
	// A consumer gets over it by being put somewhere else.
	if v := a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", `{"after":0}`, 200); v["cursor"] != 3.0 {
		t.Errorf("PUT: %v", v)
	}
	a.wantStatus(t, eventsGrant(), "GET", "/events?consumer=crm&wait=0", "", 200)
}

// An EventSource comes back with its first URL, which names its consumer.
func TestConsumerThatComesBackGetsWhatIsItsOwn(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`)
	a.log.append("attic", `{"n":2}`)
	a.log.append("den", `{"n":3}`)
	a.wantStatus(t, eventsGrant(), "PUT", "/consumers/crm", `{"room":"den","types":["room_started"],"after":0}`, 201)
	for _, claims := range []token.Claims{eventsGrant(), eventsOf("den")} {
		resp := a.request(t, "GET", "/events?consumer=crm", "", "Authorization", "Bearer "+mint(t, claims), "Last-Event-ID", "1")
		a.wantStream(t, resp, sse(3, "den", `{"n":3}`))
	}
}
