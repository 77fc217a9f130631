package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// caller sends requests to a server, with every grant if it has none.
type caller struct {
	t     *testing.T
	s     *Server
	grant *token.RollcallGrant
}

// Do implements the client of the room service.
func (c caller) Do(r *http.Request) (*http.Response, error) {
	claims := &token.Claims{
		Video:    &token.VideoGrant{RoomCreate: true, RoomList: true, RoomAdmin: true, Room: "demo"},
		Rollcall: &token.RollcallGrant{Events: true, Endpoints: true, Forget: true},
	}
	if c.grant != nil {
		claims.Rollcall = c.grant
	}
	raw, err := token.Mint(key, secret, claims, time.Now(), time.Minute)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	return http.DefaultClient.Do(r)
}

// call makes a request and returns the status and the body.
func (c caller) call(method, path, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.s.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// open creates rooms, each one event.
func (c caller) open(names ...string) {
	c.t.Helper()
	rooms := livekit.NewRoomServiceProtobufClient("http://"+c.s.Addr().String(), c)
	for _, name := range names {
		if _, err := rooms.CreateRoom(c.t.Context(), &livekit.CreateRoomRequest{Name: name, Metadata: strings.Repeat("m", 500)}); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c caller) log() (state httpapi.LogState) {
	c.t.Helper()
	status, body := c.call("GET", "/log", "")
	if status != 200 {
		c.t.Fatalf("GET /log: %d %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		c.t.Fatal(err)
	}
	return state
}

// eventually waits until the condition holds.
func (c caller) eventually(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within 30 s: %s; the log: %+v", what, c.log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestEventsLeaveTheLogWhenAllHaveThem(t *testing.T) {
	sink, receiver := newSink(t)
	sink.Script(func(*webhooksink.Delivery) webhooksink.Fault { return webhooksink.Fault{Status: 503} })
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf("log: {retention_age: 1s}\nwebhook: {urls: ['%s']}", receiver.URL)))
	c := caller{t: t, s: s}
	if status, body := c.call("PUT", "/consumers/crm", `{"after":0}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	c.open("one", "two", "three")
	time.Sleep(2 * time.Second) // longer than they are kept: the test is that they are there
	if state := c.log(); state.First != 1 || len(state.Needs) != 2 || state.Needs[0].Seq != 1 {
		t.Fatalf("what nobody has acknowledged is gone: %+v", state)
	}
	sink.Script(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if _, err := sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool { return len(webhooksink.Accepted(all)) >= 3 }); err != nil {
		t.Fatal(err)
	}
	c.eventually("the endpoint has acknowledged", func() bool { return len(c.log().Needs) == 1 })
	if first := c.log().First; first != 1 {
		t.Fatalf("the consumer's events are gone, the first is %d", first)
	}
	if status, body := c.call("POST", "/consumers/crm/ack", `{"seq":3}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	c.open("four")
	c.eventually("the events are gone", func() bool { return c.log().First > 3 })
	status, body := c.call("GET", "/events?wait=0&after=1", "")
	if status != 410 || !strings.Contains(body, fmt.Sprintf(`"earliest":%d`, c.log().First)) {
		t.Errorf("reading what is gone: %d %s", status, body)
	}
	if status, body := c.call("GET", "/events/1", ""); status != 410 {
		t.Errorf("reading an event that is gone: %d %s", status, body)
	}
	if status, _ := c.call("GET", "/rooms/one/state", ""); status != 200 {
		t.Errorf("the state of an open room is gone: %d", status)
	}
}

func TestFullLogIsNotReadyAndSaysWhoHoldsIt(t *testing.T) {
	_, receiver := newSink(t)
	receiver.Down()
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf("log: {quota: 20kB}\nwebhook: {urls: ['%s']}", receiver.URL)))
	c := caller{t: t, s: s}
	probe := func(path string) (int, string) { return c.call("GET", path, "") }
	if status, body := probe("/readyz"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for i := range 30 {
		c.open(fmt.Sprint("room", i))
	}
	c.eventually("it is full", func() bool { return c.log().Full })
	if status, body := probe("/readyz"); status != 503 || !strings.Contains(body, "event log has reached its quota") || !strings.Contains(body, "of 20000") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, body := probe("/healthz"); status != 200 {
		t.Errorf("/healthz, of which a restart comes: %d %s", status, body)
	}
	status, body := c.call("PUT", "/consumers/crm", `{"after":0}`)
	if status != 507 || !strings.Contains(body, "resource_exhausted") || !strings.Contains(body, "endpoint url-") {
		t.Errorf("a consumer that would hold more: %d %s", status, body)
	}
	if stats := s.Stats(); !stats.Log.Full || stats.Log.Quota != 20000 || stats.Log.Bytes < 20000 || stats.Log.Needs[0].Seq != 1 {
		t.Errorf("stats: %+v", stats.Log)
	}
	if err := receiver.Up(); err != nil {
		t.Fatal(err)
	}
	c.eventually("it takes events again", func() bool {
		c.open("more") // one event, or none if it is there: what is full looks for room
		return !c.log().Full
	})
	if status, body := probe("/readyz"); status != 200 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if first := c.log().First; first <= 1 {
		t.Errorf("nothing has left the log: %d", first)
	}
}
