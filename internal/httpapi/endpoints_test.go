package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// deliveringLog is an event log for the API and the engine. It has no ids to be
// found by.
type deliveringLog struct{ *eventlog.Log }

func (deliveringLog) First() uint64 { return 1 }
func (deliveringLog) ByID(context.Context, string) (event.Record, error) {
	return event.Record{}, delivery.ErrUnknownEvent
}
func (l deliveringLog) Session(ctx context.Context, sid string) (event.Session, bool, error) {
	s, err := l.Log.Session(ctx, sid)
	if errors.Is(err, eventlog.ErrNotFound) {
		return s, false, nil
	}
	return s, err == nil, err
}

// newDelivering is an API whose endpoints are those of a running engine, with
// one of the config, and a receiver that answers with what status holds.
func newDelivering(t *testing.T) (a *api, log *eventlog.Log, receiver string, status *atomic.Int32) {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	status = new(atomic.Int32)
	status.Store(200)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "said the receiver")
	}))
	engine, err := delivery.Start(delivery.Options{
		Log: log, Cursors: log, Keys: map[string]string{testKey: testSecret},
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Endpoints:     []delivery.Endpoint{{ID: "fixed", URL: server.URL + "/fixed?secret=s3cret", APIKey: testKey, Secret: testSecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Close(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	a = newAPI(t, func(o *Options) {
		o.Log = deliveringLog{log}
		o.Endpoints, o.Deliveries = engine, engine
	})
	return a, log, server.URL, status
}

func endpointsGrant() token.Claims {
	return token.Claims{Rollcall: &token.RollcallGrant{Endpoints: true}}
}

// eventually polls until done, for 10 s at most.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %s in time", what)
		}
	}
}

func start(log *eventlog.Log, room string) uint64 {
	seq := log.Append(event.Event{Name: event.RoomStarted, Time: time.Now(), Room: &livekit.Room{Sid: "RM_" + room, Name: room}})
	if err := log.Sync(context.Background(), seq); err != nil {
		panic(err)
	}
	return seq
}

func TestEndpointLivesThroughTheAPI(t *testing.T) {
	a, log, receiver, _ := newDelivering(t)
	admin := endpointsGrant()
	made := a.wantStatus(t, admin, "POST", "/endpoints", `{"url":"`+receiver+`/hook?key=s3cret","headers":{"X-Key":"s3cret"},"filter":{"events":["room_*"]},"batch":{"max":10,"waitMs":20}}`, 201)
	id := made["id"].(string)
	secret, _ := made["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || made["apiKey"] != testKey || made["source"] != "api" {
		t.Errorf("made %v", made)
	}

	// Nothing secret is shown again.
	for _, path := range []string{"/endpoints", "/endpoints/" + id, "/endpoints/fixed"} {
		resp := a.request(t, "GET", path, "", "Authorization", "Bearer "+mint(t, admin))
		if body := text(t, resp); resp.StatusCode != 200 || strings.Contains(body, "s3cret") || strings.Contains(body, secret) || strings.Contains(body, testSecret) {
			t.Errorf("GET %s: %d %s", path, resp.StatusCode, body)
		}
	}

	// A PATCH changes what it names.
	ep := a.wantStatus(t, admin, "PATCH", "/endpoints/"+id, `{"description":"crm","batch":{"max":0},"filter":{"rooms":["den"]}}`, 200)
	filter := ep["filter"].(map[string]any)
	if ep["description"] != "crm" || fmt.Sprint(filter["events"]) != "[room_*]" || fmt.Sprint(filter["rooms"]) != "[den]" ||
		fmt.Sprint(ep["headers"]) != "[X-Key]" || ep["secret"] != nil || len(ep["secrets"].([]any)) != 1 {
		t.Errorf("patched %v", ep)
	}
	// A PUT replaces it, but for its secrets.
	ep = a.wantStatus(t, admin, "PUT", "/endpoints/"+id, `{"url":"`+receiver+`"}`, 200)
	if ep["description"] != "" || fmt.Sprint(ep["headers"]) != "[]" || ep["secret"] != nil || len(ep["secrets"].([]any)) != 1 {
		t.Errorf("put %v", ep)
	}
	if ep := a.wantStatus(t, admin, "PUT", "/endpoints/named", `{"url":"`+receiver+`","secret":"`+delivery.NewSecret()+`"}`, 201); ep["id"] != "named" || ep["secret"] != nil {
		t.Errorf("put a new one: %v", ep)
	}

	ep = a.wantStatus(t, admin, "POST", "/endpoints/"+id+"/rotate", `{"overlapSeconds":60}`, 200)
	if s, _ := ep["secret"].(string); !strings.HasPrefix(s, "whsec_") || s == secret || len(ep["secrets"].([]any)) != 2 {
		t.Errorf("rotated %v", ep)
	}
	if test := a.wantStatus(t, admin, "POST", "/endpoints/"+id+"/test", "", 200); test["delivered"] != true || test["status"] != 200.0 {
		t.Errorf("tested %v", test)
	}
	if ep := a.wantStatus(t, admin, "POST", "/endpoints/fixed/pause", "", 200); ep["paused"] != true {
		t.Errorf("paused %v", ep)
	}
	if ep := a.wantStatus(t, admin, "POST", "/endpoints/fixed/resume", "", 200); ep["paused"] != false {
		t.Errorf("resumed %v", ep)
	}

	seq := start(log, "den")
	eventually(t, "delivered", func() bool {
		v := a.wantStatus(t, admin, "GET", fmt.Sprintf("/events/%d/why", seq), "", 200)
		n := 0
		for _, e := range v["endpoints"].([]any) {
			if e.(map[string]any)["fate"] == "delivered" {
				n++
			}
		}
		return n == 3
	})
	list := a.wantStatus(t, admin, "GET", "/endpoints/fixed/attempts", "", 200)["attempts"].([]any)
	last := list[0].(map[string]any)
	if _, hidden := last["latency"]; last["seq"] != float64(seq) || last["latencyMs"] == nil || hidden {
		t.Errorf("attempts %v", list)
	}
	if v := a.wantStatus(t, admin, "POST", "/endpoints/fixed/redeliver", fmt.Sprintf(`{"seq":%d}`, seq), 200); v["requested"] != true {
		t.Errorf("redelivered %v", v)
	}
	if v := a.wantStatus(t, admin, "GET", "/endpoints/fixed/dead-letters", "", 200); len(v["deadLetters"].([]any)) != 0 {
		t.Errorf("dead letters %v", v)
	}

	rec := a.wantStatus(t, admin, "POST", "/endpoints/fixed/recover", `{"rate":1000}`, 202)
	path := "/recoveries/" + rec["id"].(string)
	eventually(t, "recovered", func() bool { return a.wantStatus(t, admin, "GET", path, "", 200)["state"] == "done" })
	if v := a.wantStatus(t, admin, "GET", "/recoveries", "", 200); len(v["recoveries"].([]any)) != 1 {
		t.Errorf("recoveries %v", v)
	}

	a.wantStatus(t, admin, "DELETE", "/endpoints/"+id, "", 204)
	a.wantStatus(t, admin, "GET", "/endpoints/"+id, "", 404)
}

func TestEndpointsTellWhatIsWrong(t *testing.T) {
	a, log, receiver, _ := newDelivering(t)
	seq := start(log, "den")
	if err := log.Sync(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
		code, says         string
	}{
		{"POST", "/endpoints", `{}`, 400, "invalid_argument", "url is missing"},
		{"POST", "/endpoints", `{"url":"ftp://x"}`, 400, "invalid_argument", "http or https"},
		{"POST", "/endpoints", `{"url":"http://x","uri":""}`, 400, "invalid_argument", `"uri"`},
		{"POST", "/endpoints", `{"url":"http://x","apiKey":"nobody"}`, 400, "invalid_argument", "API key"},
		{"POST", "/endpoints", `{"url":"http://x","batch":{"waitMs":-1}}`, 400, "invalid_argument", "waitMs"},
		{"POST", "/endpoints", `{"url":"http://x","headers":{"Host":"y"}}`, 400, "invalid_argument", "Host"},
		{"POST", "/endpoints", `{"url":"http://x","filter":{"events":["party"]}}`, 400, "invalid_argument", "party"},
		{"PUT", "/endpoints/fixed", `{"url":"http://x"}`, 409, "failed_precondition", "configuration"},
		{"PATCH", "/endpoints/fixed", `{}`, 409, "failed_precondition", "configuration"},
		{"DELETE", "/endpoints/fixed", ``, 409, "failed_precondition", "configuration"},
		{"POST", "/endpoints/fixed/rotate", ``, 409, "failed_precondition", "configuration"},
		{"POST", "/endpoints/none/rotate", ``, 404, "not_found", "unknown endpoint"},
		{"POST", "/endpoints/none/rotate", `{"overlapSeconds":-1}`, 400, "invalid_argument", "overlapSeconds"},
		{"PATCH", "/endpoints/none", `{}`, 404, "not_found", "unknown endpoint"},
		{"POST", "/endpoints/none/pause", ``, 404, "not_found", "unknown endpoint"},
		{"POST", "/endpoints/none/test", ``, 404, "not_found", "unknown endpoint"},
		{"GET", "/endpoints/none/attempts", ``, 404, "not_found", "unknown endpoint"},
		{"GET", "/endpoints/fixed/attempts?limit=0", ``, 400, "invalid_argument", "limit"},
		{"GET", "/endpoints/fixed/dead-letters?after=x", ``, 400, "invalid_argument", "after"},
		{"POST", "/endpoints/fixed/redrive", ``, 400, "invalid_argument", "seqs"},
		{"DELETE", "/endpoints/fixed/dead-letters", ``, 400, "invalid_argument", "seq"},
		{"DELETE", "/endpoints/fixed/dead-letters?seq=x", ``, 400, "invalid_argument", "seq"},
		{"DELETE", "/endpoints/fixed/dead-letters?seq=1&all=true", ``, 400, "invalid_argument", "seq"},
		{"DELETE", "/endpoints/fixed/dead-letters?seq=1", ``, 404, "not_found", "dead letter"},
		{"DELETE", "/endpoints/none/dead-letters?all=true", ``, 404, "not_found", "endpoint"},
		{"POST", "/endpoints/fixed/redrive", `{"seqs":[1]}`, 404, "not_found", "dead letter"},
		{"POST", "/endpoints/fixed/redeliver", ``, 400, "invalid_argument", "seq"},
		{"POST", "/endpoints/fixed/redeliver", `{"event":"99"}`, 404, "not_found", "99"},
		{"POST", "/endpoints/fixed/recover", `{"after":99}`, 400, "out_of_range", "ahead of the log"},
		{"POST", "/endpoints/fixed/recover", `{"toUrl":"ftp://x"}`, 400, "invalid_argument", "http"},
		{"POST", "/endpoints/none/recover", ``, 404, "not_found", "unknown endpoint"},
		{"GET", "/recoveries/none", ``, 404, "not_found", "unknown recovery"},
		{"DELETE", "/recoveries/none", ``, 404, "not_found", "unknown recovery"},
		{"GET", "/events/99/why", ``, 404, "not_found", "99"},
		{"PUT", "/endpoints", ``, 405, "invalid_argument", "GET, POST"},
	} {
		status, v := a.as(t, endpointsGrant(), tc.method, tc.path, tc.body)
		if msg, _ := v["message"].(string); status != tc.status || v["code"] != tc.code || !strings.Contains(msg, tc.says) {
			t.Errorf("%s %s %s: %d %v, want %d %s saying %q", tc.method, tc.path, tc.body, status, v, tc.status, tc.code, tc.says)
		}
	}
	_ = receiver
}

func TestEndpointsWantTheirGrant(t *testing.T) {
	a, _, _, _ := newDelivering(t)
	o := Options{Endpoints: nil}
	for _, rt := range (&endpointAPI{endpoints: o.Endpoints}).routes() {
		path := strings.ReplaceAll(rt.path, "{id}", "fixed")
		for _, c := range []token.Claims{{}, eventsGrant(), adminOf("den"), {Rollcall: &token.RollcallGrant{Endpoints: true, Room: "den"}}} {
			if v := a.wantStatus(t, c, rt.method, path, "", 403); v["code"] != "permission_denied" {
				t.Errorf("%s %s: %v", rt.method, path, v)
			}
		}
		wantError(t, a.request(t, rt.method, path, ""), 401, "unauthenticated", "no access token")
	}
	a.wantStatus(t, eventsGrant(), "GET", "/events/1/why", "", 403)
}

func TestFailedTestIsAnAnswerAndSaysWhatTheReceiverSaid(t *testing.T) {
	a, _, _, status := newDelivering(t)
	status.Store(422)
	v := a.wantStatus(t, endpointsGrant(), "POST", "/endpoints/fixed/test", "", 200)
	if v["delivered"] != false || v["status"] != 422.0 || v["response"] != "said the receiver" {
		t.Errorf("%v", v)
	}
}
