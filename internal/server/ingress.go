package server

import (
	"context"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
)

// openIngress ends the ingress sessions of the last run, and begins to take new ones.
func (s *Server) openIngress(ctx context.Context) (err error) {
	s.ingress, err = ingress.Start(ctx, ingress.Options{
		Rooms: s.rooms, Log: s.events, Logger: s.log, URL: s.ingressURL,
	})
	return err
}

// ingressURL is what encoders are pointed to.
func (s *Server) ingressURL(input livekit.IngressInput, origin string) string {
	switch input {
	case livekit.IngressInput_RTMP_INPUT:
		return s.cfg.Ingress.RTMPBaseURL
	case livekit.IngressInput_WHIP_INPUT:
		if s.cfg.Ingress.WHIPBaseURL != "" {
			return s.cfg.Ingress.WHIPBaseURL
		}
		return origin + "/w"
	}
	return ""
}
