package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestConfiguredEndpointGetsWhatItAsksForAndHowItAsks(t *testing.T) {
	sink, receiver := newSink(t)
	own, ownReceiver := newSink(t)
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf(`
webhook:
  urls: ['%s']
  filter_params: {include_events: [room_finished], exclude_events: [room_finished]}
  endpoints:
    - id: own
      url: %s/here
      events: [room_started, "*_finished"]
      rooms: ["class-*"]
      tags: {tenant: acme}
      headers: {X-Team: blue}
      format: cloudevents
      secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq=, whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]
`, receiver.URL, ownReceiver.URL)))
	c := caller{t: t, s: s}
	rooms := livekit.NewRoomServiceProtobufClient("http://"+s.Addr().String(), c)
	for name, tags := range map[string]map[string]string{
		"class-1": {"tenant": "acme", "floor": "2"}, "class-2": {"tenant": "other"}, "class-3": nil, "attic": {"tenant": "acme"},
	} {
		if _, err := rooms.CreateRoom(t.Context(), &livekit.CreateRoomRequest{Name: name, Tags: tags}); err != nil {
			t.Fatal(err)
		}
		if _, err := rooms.DeleteRoom(t.Context(), &livekit.DeleteRoomRequest{Room: name}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all, err := sink.Wait(ctx, 4)
	if err != nil {
		t.Fatalf("%v, %v", names(all), err)
	}
	for _, name := range names(all) {
		if name != "room_finished" {
			t.Errorf("the URL got %s", name)
		}
	}
	got, err := own.Wait(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got {
		if d.Room() != "class-1" || d.Path != "/here" || d.Header.Get("X-Team") != "blue" || d.Header.Get("Ce-Specversion") != "1.0" ||
			len(strings.Fields(d.Header.Get("Webhook-Signature"))) != 2 {
			t.Errorf("%s of %s at %s with %v", d.Name(), d.Room(), d.Path, d.Header)
		}
	}
	if _, body := c.call("GET", "/events?wait=0&room=class-1", ""); !strings.Contains(body, `"tags":{"floor":"2","tenant":"acme"}`) {
		t.Errorf("the log does not show the tags: %s", body)
	}
	status, body := c.call("GET", "/endpoints/own", "")
	if status != 200 || !strings.Contains(body, `"source":"config"`) || !strings.Contains(body, `"tags":{"tenant":"acme"}`) || strings.Contains(body, "MfKQ9") {
		t.Errorf("GET: %d %s", status, body)
	}
	if status, body := c.call("PATCH", "/endpoints/own", `{"rate":1}`); status != 409 {
		t.Errorf("PATCH: %d %s", status, body)
	}
	c.eventually("all is acknowledged", func() bool { return len(c.log().Needs) == 0 })
	if n := own.Len(); n != 2 {
		t.Errorf("the endpoint got %d requests, want 2", n)
	}
}

// Tags outlive a restart, also for the events that close what a crash left open.
func TestTagsOutliveARestart(t *testing.T) {
	sink, receiver := newSink(t)
	cfg := configure(t, t.TempDir(), fmt.Sprintf("room: {departure_timeout: 1}\nwebhook: {endpoints: [{url: '%s', tags: {tenant: acme}}]}", receiver.URL))
	s := start(t, cfg)
	rooms := livekit.NewRoomServiceProtobufClient("http://"+s.Addr().String(), caller{t: t, s: s})
	if _, err := rooms.CreateRoom(t.Context(), &livekit.CreateRoomRequest{Name: "demo", Tags: map[string]string{"tenant": "acme"}}); err != nil {
		t.Fatal(err)
	}
	dial(t, s, "alice")
	stop(t, s)
	start(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool {
		return strings.Contains(strings.Join(names(all), " "), "room_finished")
	})
	if err != nil {
		t.Errorf("delivered %v, %v", names(sink.Accepted()), err)
	}
}

func TestEndpointsThatCannotBeUsedAreAllNamedWithTheirPlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := configure(t, dir, `webhook:
  urls: [http://127.0.0.1/a, http://127.0.0.1/a]
  filter_params: {include_events: [rom_started]}
  endpoints:
    - {url: ftp://example.org, id: a}
    - {url: http://127.0.0.1/, mode: sideways}
    - {url: http://127.0.0.1/, id: b, events: [rom_started]}
    - {url: http://127.0.0.1/, id: c, exclude: [rom_started]}
    - {url: http://127.0.0.1/, id: d, secrets: [whsec_short]}
    - {url: http://127.0.0.1/, id: e, batch_max: 501}
    - {url: http://127.0.0.1/, id: f, headers: {Authorization: x}}
    - {url: http://127.0.0.1/, id: g, ca_file: missing.pem}
    - {url: http://127.0.0.1/, id: h, ca_file: `+filepath.Join(dir, "empty.pem")+`}
    - {url: http://127.0.0.1/, id: i, client_cert_file: cert.pem}
    - {url: http://127.0.0.1/, id: i}
    - {id: j}
`)
	_, err := Start(context.Background(), cfg, "test", slog.New(slog.DiscardHandler))
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, strings.TrimPrefix(p.String(), filepath.Join(dir, "rollcall.yaml")))
	}
	want := []string{
		`:8:35: webhook.filter_params.include_events: "rom_started" is no event`,
		`:8:35: webhook.filter_params.include_events: "rom_started" is no event`,
		`:10:13: webhook.endpoints[0].url: want an absolute http or https URL`,
		`:11:38: webhook.endpoints[1].mode: want ordered or parallel`,
		`:12:47: webhook.endpoints[2].events: "rom_started" is no event`,
		`:13:48: webhook.endpoints[3].exclude: "rom_started" is no event`,
		`:14:48: webhook.endpoints[4].secrets: want whsec_`,
		`:15:50: webhook.endpoints[5].batch_max: want at most 500 events`,
		`:16:48: webhook.endpoints[6].headers: Authorization is set by the server`,
		`:17:48: webhook.endpoints[7].ca_file: open missing.pem`,
		`:18:48: webhook.endpoints[8].ca_file: holds no certificate`,
		`:19:57: webhook.endpoints[9].client_cert_file: a client certificate and its key go together`,
		`:20:36: webhook.endpoints[10].id: is that of another endpoint`,
		`:21:7: webhook.endpoints[11].url: want an absolute http or https URL`,
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want) || !strings.HasPrefix(got[i], want[i]):
			t.Errorf("problem %d: %s", i, got[i])
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("the log was opened before")
	}
}

// create is CreateRoom with endpoints of the room, in tags or headers.
func (c caller) create(req *livekit.CreateRoomRequest, headers ...string) error {
	ctx := c.t.Context()
	if len(headers) > 0 {
		h := make(http.Header)
		for _, text := range headers {
			h.Add("Rollcall-Webhook", text)
		}
		var err error
		if ctx, err = twirp.WithHTTPRequestHeaders(ctx, h); err != nil {
			c.t.Fatal(err)
		}
	}
	_, err := livekit.NewRoomServiceProtobufClient("http://"+c.s.Addr().String(), c).CreateRoom(ctx, req)
	return err
}

func TestCreateRoomBringsEndpointsOfItsOwn(t *testing.T) {
	byTag, tagReceiver := newSink(t)
	byHeader, headerReceiver := newSink(t)
	s := start(t, configure(t, t.TempDir(), "webhook: {allow_networks: [127.0.0.0/8]}"))
	c := caller{t: t, s: s}
	req := func() *livekit.CreateRoomRequest {
		return &livekit.CreateRoomRequest{Name: "den", Tags: map[string]string{
			"tenant":               "acme",
			"rollcall.webhook":     tagReceiver.URL,
			"rollcall.webhook.two": fmt.Sprintf(`{"url": "%s/two", "filter": {"events": ["room_finished"]}, "headers": {"X-Team": "blue"}}`, tagReceiver.URL),
		}}
	}
	c.open("attic")
	for range 2 { // it can be repeated
		if err := c.create(req(), headerReceiver.URL); err != nil {
			t.Fatal(err)
		}
	}
	_, body := c.call("GET", "/endpoints", "")
	if n := strings.Count(body, `"source":"room","scope":"den","session":"RM_`); n != 3 {
		t.Errorf("%d endpoints of the room: %s", n, body)
	}
	if _, err := livekit.NewRoomServiceProtobufClient("http://"+s.Addr().String(), c).DeleteRoom(t.Context(), &livekit.DeleteRoomRequest{Room: "den"}); err != nil {
		t.Fatal(err)
	}
	c.open("den") // without endpoints
	c.eventually("they end with their session", func() bool {
		_, body := c.call("GET", "/endpoints", "")
		return !strings.Contains(body, `"source":"room"`)
	})
	if got := names(byHeader.Accepted()); !slices.Equal(got, []string{"room_started", "room_finished"}) {
		t.Errorf("by header: %v", got)
	}
	paths := map[string][]string{}
	for _, d := range byTag.Deliveries() {
		paths[d.Path] = append(paths[d.Path], d.Name())
		if d.Path == "/two" && d.Header.Get("X-Team") != "blue" {
			t.Errorf("without its header: %v", d.Header)
		}
	}
	if !slices.Equal(paths["/"], []string{"room_started", "room_finished"}) || !slices.Equal(paths["/two"], []string{"room_finished"}) {
		t.Errorf("by tag: %v", paths)
	}
	if _, body := c.call("GET", "/events?wait=0&room=den", ""); strings.Contains(body, tagReceiver.URL) || !strings.Contains(body, `"tags":{"tenant":"acme"}`) {
		t.Errorf("the log shows %s", body)
	}
}

func TestCreateRoomWithEndpointsThatCannotBeMakesNoRoom(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), "key_file: ''\n"))
	c := caller{t: t, s: s}
	none := caller{t: t, s: s, grant: &token.RollcallGrant{}}
	for what, try := range map[string]struct {
		c    caller
		tags map[string]string
		says string
	}{
		"no URL":          {c, map[string]string{"rollcall.webhook": "here"}, "want an absolute http or https URL"},
		"no JSON":         {c, map[string]string{"rollcall.webhook": "{"}, "ends too early"},
		"unknown field":   {c, map[string]string{"rollcall.webhook": `{"uri": "http://127.0.0.1/"}`}, `a field "uri"`},
		"wrong event":     {c, map[string]string{"rollcall.webhook": `{"url": "http://127.0.0.1/", "filter": {"events": ["x"]}}`}, `"x" is no event`},
		"unknown key":     {c, map[string]string{"rollcall.webhook": `{"url": "http://127.0.0.1/", "apiKey": "back"}`}, "no API key"},
		"another key":     {none, map[string]string{"rollcall.webhook": `{"url": "http://127.0.0.1/", "apiKey": "back"}`}, "another key"},
		"means nothing":   {c, map[string]string{"rollcall.webhok": "http://127.0.0.1/"}, "means nothing"},
		"paused":          {c, map[string]string{"rollcall.webhook": `{"url": "http://127.0.0.1/", "paused": true}`}, "paused"},
		"a file's secret": {c, map[string]string{"rollcall.webhook": `{"url": "http://127.0.0.1/", "caFile": "/etc/passwd"}`}, "caFile"},
	} {
		err := try.c.create(&livekit.CreateRoomRequest{Name: "den", Tags: try.tags})
		if te, ok := errors.AsType[twirp.Error](err); !ok || te.Code() != twirp.InvalidArgument || !strings.Contains(te.Msg(), try.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := s.Stats().Rooms.Rooms; n != 0 {
		t.Errorf("%d rooms were made", n)
	}
	if _, body := c.call("GET", "/endpoints", ""); strings.Contains(body, "room") {
		t.Errorf("endpoints are left: %s", body)
	}
	// Where the guard lets nobody go is found out when it is tried.
	if err := c.create(&livekit.CreateRoomRequest{Name: "den"}, "http://127.0.0.1:1/"); err != nil {
		t.Fatal(err)
	}
	c.eventually("the guard says no", func() bool {
		_, body := c.call("GET", "/endpoints", "")
		return strings.Contains(body, "address is not allowed")
	})
}
