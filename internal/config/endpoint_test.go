package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEndpointHasAllThatItIsGiven(t *testing.T) {
	c := mustLoad(t, goodKeys+`
webhook:
  endpoints:
    - id: crm
      url: https://example.org/hook
      description: keeps attendance
      api_key: front
      events: ["room_*", track_muted]
      exclude: room_finished
      rooms: [a, b]
      tags: {tenant: acme, floor: 7}
      headers: {X-Team: blue}
      ca_file: ca.pem
      client_cert_file: cert.pem
      client_key_file: key.pem
      mode: ordered
      format: cloudevents
      batch_max: 20
      batch_wait: 10ms
      full_track_context: yes
      block: true
      rate: 2.5
      secrets: [whsec_a, whsec_b]
    - {url: "http://127.0.0.1/", events: }
`, nil)
	want := []Endpoint{{
		ID: "crm", URL: "https://example.org/hook", Description: "keeps attendance", APIKey: "front",
		Events: []string{"room_*", "track_muted"}, Exclude: []string{"room_finished"}, Rooms: []string{"a", "b"},
		Tags: map[string]string{"tenant": "acme", "floor": "7"}, Headers: map[string]string{"X-Team": "blue"},
		CAFile: "ca.pem", ClientCertFile: "cert.pem", ClientKeyFile: "key.pem", Mode: "ordered", Format: "cloudevents",
		BatchMax: 20, BatchWait: 10 * time.Millisecond, FullTrackContext: true, Block: true, Rate: 2.5,
		Secrets: []string{"whsec_a", "whsec_b"},
	}, {URL: "http://127.0.0.1/"}}
	got := c.Webhook.Endpoints
	if len(got) != 2 {
		t.Fatalf("%d endpoints", len(got))
	}
	if p := got[0].Problem(0, "rate", "is odd"); !strings.HasSuffix(p.Where, "r.yaml:24:13") || p.Key != "webhook.endpoints[0].rate" {
		t.Errorf("the rate is at %+v", p)
	}
	if p := got[1].Problem(1, "mode", "is odd"); !strings.HasSuffix(p.Where, "r.yaml:26:7") || p.Key != "webhook.endpoints[1].mode" {
		t.Errorf("what is not given is at %+v", p)
	}
	for i := range got {
		got[i].Where = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if c.Webhook.APIKey != "front" {
		t.Errorf("the other endpoint is signed by %q", c.Webhook.APIKey)
	}
	if text := fmt.Sprintf("%v %+v %#v", got[0], got[0], got[0]); strings.Contains(text, "whsec") || strings.Contains(text, "blue") {
		t.Errorf("secrets are printed: %s", text)
	}
}

func TestEndpointsCanComeFromTheEnvironment(t *testing.T) {
	c := mustLoad(t, goodKeys, []string{
		"ROLLCALL_WEBHOOK_ENDPOINTS=[{url: http://127.0.0.1/, rate: 1}]", "ROLLCALL_WEBHOOK_ALLOW_NETWORKS=10.0.0.0/8,::1/128",
		"ROLLCALL_WEBHOOK_FILTER_PARAMS_EXCLUDE_EVENTS=room_started",
	})
	w := c.Webhook
	if len(w.Endpoints) != 1 || w.Endpoints[0].Rate != 1 || len(w.AllowNetworks) != 2 || w.Exclude[0] != "room_started" {
		t.Errorf("%+v", w)
	}
}

func TestMistakesInEndpointsAreNamedWithTheirPlace(t *testing.T) {
	for bad, want := range map[string]string{
		"- {url: [x]}":                       `:5:11: webhook.endpoints[0].url: expected text, not a list`,
		"- {ulr: x}":                         `:5:6: webhook.endpoints[0].ulr: is no key of an endpoint; did you mean url?`,
		"- {url: x, zzzzzzzzz: 1}":           `:5:14: webhook.endpoints[0].zzzzzzzzz: is no key of an endpoint`,
		"- {url: x, rate: fast}":             `webhook.endpoints[0].rate: expected a number of requests a second, or 0, not text`,
		"- {url: x, rate: -1}":               `webhook.endpoints[0].rate: expected a number`,
		"- {url: x, rate: NaN}":              `webhook.endpoints[0].rate: expected a number`,
		"- {url: x, batch_max: many}":        `webhook.endpoints[0].batch_max: expected a whole number of events, not text`,
		"- {url: x, batch_wait: 50}":         `webhook.endpoints[0].batch_wait: expected a length of time with its unit, such as 50ms, not 50`,
		"- {url: x, block: maybe}":           `webhook.endpoints[0].block: expected true or false, not text`,
		"- {url: x, events: {a: b}}":         `webhook.endpoints[0].events: expected a list, not names with values`,
		"- {url: x, events: [a, [b]]}":       `webhook.endpoints[0].events[1]: expected text, not a list`,
		"- {url: x, headers: [a]}":           `webhook.endpoints[0].headers: expected names with values`,
		"- {url: x, headers: {a: [b]}}":      `webhook.endpoints[0].headers.a: expected text, not a list`,
		"- {url: x, api_key: back}":          `webhook.endpoints[0].api_key: "back" is none of the keys`,
		"- {url: x, url: y}":                 `webhook.endpoints[0].url: is given twice`,
		"- x":                                `webhook.endpoints[0]: expected names with values`,
		"x":                                  `webhook.endpoints: expected a list of endpoints, each with its url, not text`,
		"- {url: x}\n  allow_networks: [10]": `webhook.allow_networks[0]: expected a range of IP addresses`,
	} {
		_, err := load(t, goodKeys+"webhook:\n  endpoints:\n  "+bad+"\n", nil)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant …%s", bad, err, want)
		}
	}
}

// The example is commented out, and true all the same.
func TestExampleOfAnEndpointLoads(t *testing.T) {
	body, err := os.ReadFile("../../rollcall.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(body), "  endpoints: []\n")
	if !ok {
		t.Fatal("there is no list of endpoints")
	}
	example, after, _ := strings.Cut(after, "\n\n  #")
	example = regexp.MustCompile(`(?m)^#`).ReplaceAllString(example, "")
	before = strings.Replace(before, "keys: {}", "keys: {mykey: a-secret-of-at-least-32-characters}", 1)
	c := mustLoad(t, before+"  endpoints:\n"+example+"\n  #"+after, nil)
	if len(c.Webhook.Endpoints) != 1 {
		t.Fatalf("%d endpoints", len(c.Webhook.Endpoints))
	}
	for _, k := range endpointKeys {
		if c.Webhook.Endpoints[0].Where[k.name] == "" {
			t.Errorf("the example does not have %s", k.name)
		}
	}
}
