package server

import (
	"context"
	"errors"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"net/http"
	"net/netip"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/source"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/signal"
	"github.com/rollcall-rtc/rollcall/internal/token"
	"github.com/rollcall-rtc/rollcall/internal/whip"
)

// openIngress ends the ingress sessions of the last run, and begins to take new ones.
func (s *Server) openIngress(ctx context.Context) (err error) {
	s.transcoders = new(ffmpeg.Children)
	encoder := &source.Encoder{FFmpeg: s.cfg.Ingress.FFmpeg, Running: s.transcoders, Logger: s.log}
	puller := &source.Puller{FFmpeg: s.cfg.Ingress.FFmpeg, Running: s.transcoders, Logger: s.log, Guard: s.sourceGuard()}
	s.ingress, err = ingress.Start(ctx, ingress.Options{
		Rooms: s.rooms, Log: eventlog.Intact{Log: s.events}, Logger: s.log, URL: s.ingressURL,
		Pull: puller.Pull, CheckURL: puller.Check,
		CheckVideo: encoder.Check,
		Behind:     time.Duration(s.cfg.Ingress.LipSyncDelay) * time.Millisecond,
	})
	if err != nil {
		return err
	}
	proxies := networks(s.cfg.TrustedProxies)
	s.backstage = room.NewRegistry(s.backstageOptions())
	s.whip = whip.NewHandler(whip.Options{
		Backstage: s.backstage, Encoder: encoder,
		Rooms: s.rooms, Ingress: s.ingress, Keys: token.Keys(s.cfg.Keys), Logger: s.log,
		Site: func(r *http.Request) netip.Addr { return signal.ClientSite(r, proxies) },
	})
	return nil
}

// backstageOptions are those of the rooms in which encoders are whose media is encoded
// anew. There is one for each of them, for as long as it sends, and nothing is told of
// it.
func (s *Server) backstageOptions() room.Options {
	return room.Options{
		Publish:    func(...event.Event) uint64 { return 0 },
		Media:      room.Peers(s.media),
		Defaults:   room.Defaults{DepartureTimeout: time.Second, KeepVideo: true, Codecs: encodable},
		ServerInfo: s.info,
		ICEServers: iceServers(s.cfg.RTC),
		Relay:      relayOf(s.relay),
		Logger:     s.log.With("backstage", true),
	}
}

// closeRooms ends those that everybody sees, and those of encoders.
func (s *Server) closeRooms(ctx context.Context) (err error) {
	for _, rooms := range []*room.Registry{s.rooms, s.backstage} {
		if rooms != nil {
			err = errors.Join(err, rooms.Close(ctx))
		}
	}
	return err
}

// encodable are the codecs of which others can be made.
var encodable = []string{"video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "audio/opus"}

// sourceGuard keeps the sources of URLs away from where they have no business, as
// endpoints of webhooks.
func (s *Server) sourceGuard() source.Guard {
	names := s.cfg.Ingress.AllowNetworks
	if s.cfg.Development && s.cfg.Where["ingress.allow_networks"] == "" {
		names = privateNetworks
	}
	allow := networks(names)
	return func(a netip.Addr) error { return delivery.Blocked(allow, a) }
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
