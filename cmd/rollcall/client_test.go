package main

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/config"
)

func TestServerIsWhereItsConfigurationHasIt(t *testing.T) {
	named := config.TLS{ACME: config.ACME{Domains: []string{"rooms.example.com", "turn.example.com"}}}
	for want, cfg := range map[string]*config.Config{
		"http://localhost:7880":          {},
		"http://localhost:8080":          {Port: 8080},
		"http://localhost":               {Port: 80},
		"https://localhost:8443":         {Port: 8443, TLS: config.TLS{CertFile: "a.crt"}},
		"https://localhost":              {Port: 443, TLS: config.TLS{CertFile: "a.crt"}},
		"https://rooms.example.com":      {Port: 443, TLS: named},
		"https://rooms.example.com:8443": {Port: 8443, TLS: named},
		"http://localhost:81":            {Port: 81, BindAddresses: []string{"10.0.0.9", "127.0.0.1"}},
		"http://localhost:82":            {Port: 82, BindAddresses: []string{"::"}},
		"http://10.0.0.9:8000":           {Port: 8000, BindAddresses: []string{"10.0.0.9"}},
		"http://[fd00::9]":               {Port: 80, BindAddresses: []string{"fd00::9"}},
		"http://[fd00::9]:8080":          {Port: 8080, BindAddresses: []string{"fd00::9"}},
	} {
		if got := urlOf(cfg); got != want {
			t.Errorf("urlOf(port %d, %v) = %s, want %s", cfg.Port, cfg.BindAddresses, got, want)
		}
	}
}
