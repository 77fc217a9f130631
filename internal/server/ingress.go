package server

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/signal"
	"github.com/rollcall-rtc/rollcall/internal/token"
	"github.com/rollcall-rtc/rollcall/internal/whip"
)

// openIngress ends the ingress sessions of the last run, and begins to take new ones.
func (s *Server) openIngress(ctx context.Context) (err error) {
	s.ingress, err = ingress.Start(ctx, ingress.Options{
		Rooms: s.rooms, Log: s.events, Logger: s.log, URL: s.ingressURL,
	})
	if err != nil {
		return err
	}
	proxies := networks(s.cfg.TrustedProxies)
	s.whip = whip.NewHandler(whip.Options{
		Rooms: s.rooms, Ingress: s.ingress, Keys: token.Keys(s.cfg.Keys), Logger: s.log,
		Site: func(r *http.Request) netip.Addr { return signal.ClientSite(r, proxies) },
	})
	return nil
}

// ingressURL is what encoders are pointed to.
func (s *Server) ingressURL(input livekit.IngressInput, origin string) string {
	switch input {
	case livekit.IngressInput_RTMP_INPUT:
		return s.rtmpURL(origin)
	case livekit.IngressInput_WHIP_INPUT:
		if s.cfg.Ingress.WHIPBaseURL != "" {
			return s.cfg.Ingress.WHIPBaseURL
		}
		return origin + "/w"
	}
	return ""
}
