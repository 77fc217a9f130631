package server

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"

	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/signal"
)

// login is how people with a password get into the dashboard. Their tokens are
// signed with the key of the webhooks or else the first by name.
func (s *Server) login() httpapi.Login {
	key := s.cfg.Webhook.APIKey
	if key == "" {
		key = slices.Min(slices.Collect(maps.Keys(s.cfg.Keys)))
	}
	trusted := networks(s.cfg.TrustedProxies)
	return httpapi.Login{
		Users: s.cfg.Dashboard.Users, Key: key, Secret: s.cfg.Keys[key],
		Address: func(r *http.Request) netip.Addr { return signal.ClientSite(r, trusted) },
	}
}
