package config

import (
	"slices"
	"testing"
)

func TestTextInAListKeepsItsColons(t *testing.T) {
	for body, want := range map[string][]string{
		"webhook: {urls: [http://localhost:3000]}":                         {"http://localhost:3000"},
		"webhook: {urls: [http://a:3000/hook, 'http://b:1/', http://c/d]}": {"http://a:3000/hook", "http://b:1/", "http://c/d"},
		"webhook: {urls: [http://user:word@a:3000/x?y=z:1]}":               {"http://user:word@a:3000/x?y=z:1"},
		"webhook: {urls:\n  [http://a:3000/hook,\n   http://b:3000]}":      {"http://a:3000/hook", "http://b:3000"},
		"webhook:\n  urls: [http://a:3000/hook]":                           {"http://a:3000/hook"},
		"webhook:\n  urls:\n  - http://a:3000/hook":                        {"http://a:3000/hook"},
	} {
		cfg, err := load(t, "keys: {k: a-secret-of-at-least-32-characters}\n"+body, nil)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if !slices.Equal(cfg.Webhook.URLs, want) {
			t.Errorf("%s: URLs are %q, want %q", body, cfg.Webhook.URLs, want)
		}
	}
	cfg, err := load(t, "keys: {k: a-secret-of-at-least-32-characters}\nwebhook: {allow_networks: [fd00::/8, 10.0.0.0/8]}", nil)
	if err != nil || len(cfg.Webhook.AllowNetworks) != 2 {
		t.Errorf("allow_networks: %v, %v", cfg, err)
	}
	for _, body := range []string{
		"webhook: {urls: [http: //a/b]}",
		"webhook: {urls: ['http':b]}",
		"webhook: {urls: [http:{a: b}]}",
		"webhook: {urls: [{http: b}]}",
	} {
		if ps := problems(t, body, nil); len(ps) != 1 {
			t.Errorf("%s: %q, want one problem", body, ps)
		}
	}
}
