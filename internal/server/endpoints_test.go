package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
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
