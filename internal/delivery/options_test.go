package delivery

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestEndpointsThatCannotWorkAreRefusedWithoutTheirSecrets(t *testing.T) {
	ok := Endpoint{ID: "a", URL: "https://user:hush@example.org/hook?token=hush", APIKey: "key", Secret: "hush"}
	with := func(change func(*Endpoint)) []Endpoint {
		ep := ok
		change(&ep)
		return []Endpoint{ep}
	}
	for name, eps := range map[string][]Endpoint{
		"no ID":      with(func(ep *Endpoint) { ep.ID = "" }),
		"slash":      with(func(ep *Endpoint) { ep.ID = "a/b" }),
		"no URL":     with(func(ep *Endpoint) { ep.URL = "" }),
		"no scheme":  with(func(ep *Endpoint) { ep.URL = "user:hush@example.org/hook" }),
		"ftp":        with(func(ep *Endpoint) { ep.URL = "ftp://user:hush@example.org" }),
		"no host":    with(func(ep *Endpoint) { ep.URL = "https:///hook?token=hush" }),
		"broken URL": with(func(ep *Endpoint) { ep.URL = "https://user:hush@example.org:port/%zz" }),
		"no key":     with(func(ep *Endpoint) { ep.APIKey = "" }),
		"no secret":  with(func(ep *Endpoint) { ep.Secret = "" }),
		"twice":      {ok, ok},
	} {
		_, err := Start(Options{Endpoints: eps, Log: &endlessLog{}, Cursors: &endlessLog{}})
		if !errors.Is(err, ErrEndpoint) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	u, err := url.Parse(ok.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := redact(u); got != "https://example.org/hook" {
		t.Errorf("logged as %s", got)
	}
}

func TestUnreadableCursorsStopTheStart(t *testing.T) {
	for key, value := range map[string]string{
		"delivery/a": "no JSON", "delivery/a/rblue": "x", "delivery/a/": "{}", "delivery/": "{}",
	} {
		log := &endlessLog{rooms: 1, cursors: map[string][]byte{key: []byte(value)}}
		if _, err := Start(Options{Log: log, Cursors: log}); !errors.Is(err, ErrCursor) {
			t.Errorf("%s=%q: %v", key, value, err)
		}
	}
}

func TestEndpointIDIsStableAndOfTheURLAlone(t *testing.T) {
	// The value is stored in cursors: it must never change.
	if got := EndpointID("https://example.org/hook"); got != "url-554ec998c37b96dab60f3732" {
		t.Errorf("EndpointID = %s", got)
	}
	if EndpointID("https://example.org/a") == EndpointID("https://example.org/b") {
		t.Error("two URLs share an ID")
	}
}
