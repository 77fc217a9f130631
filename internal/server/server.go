package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/docs"
	"github.com/rollcall-rtc/rollcall/internal/agent"
	"github.com/rollcall-rtc/rollcall/internal/certificate"
	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress"
	egressffmpeg "github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/figures"
	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/signal"
	"github.com/rollcall-rtc/rollcall/internal/site"
	"github.com/rollcall-rtc/rollcall/internal/tlsmux"
	"github.com/rollcall-rtc/rollcall/internal/token"
	"github.com/rollcall-rtc/rollcall/internal/tracing"
	"github.com/rollcall-rtc/rollcall/internal/turn"
	"github.com/rollcall-rtc/rollcall/internal/whip"
	"github.com/rollcall-rtc/rollcall/web"
)

// Server is a running server.
type Server struct {
	cfg *config.Config // immutable
	log *slog.Logger   // immutable

	// immutable once started; nil before its turn in Start
	events      *eventlog.Log
	consumers   *httpapi.Consumers
	delivery    *delivery.Engine
	media       *peer.Factory
	relay       *turn.Server        // nil if it is not enabled
	info        *livekit.ServerInfo // what clients are told
	rooms       *room.Registry
	backstage   *room.Registry // rooms of encoders whose media is encoded anew
	agents      *agent.Dispatcher
	egress      *egress.Service
	encoding    egressffmpeg.Finder // of recordings
	ingress     *ingress.Service
	rtmp        *rtmpPorts
	transcoders *ffmpeg.Children // of ingress
	signal      *signal.Handler
	whip        *whip.Handler
	watch       *figures.Watch
	tracer      *tracing.Tracer // nil if nothing is traced
	http        *httpPort
	redirect    *httpPort // nil if there is none
	metrics     *httpPort // nil if there is none
	admin       *httpPort // nil if there is none

	certificate getCertificate    // of TLS; nil without
	acme        *certificate.ACME // nil if certificates come from files
	muxes       []*tlsmux.Mux     // if TURN is on the HTTP port
	turnConns   []net.Listener    // of muxes

	reading   chan struct{} // closed when all readers of the log are there
	leaving   chan struct{} // closed when Drain begins
	leaveOnce sync.Once
	draining  chan struct{}   // closed when Stop begins
	leftOpen  []*livekit.Room // room sessions of the last run
	settled   chan struct{}   // closed when the events of the last rooms are durable
	stopOnce  sync.Once
	stopErr   error
	serveErr  chan error // buffered: a listener ended by itself
	startedAt time.Time
}

// ErrLogFailed says that the event log cannot be written any more: the server
// must stop, because it can promise nothing.
var ErrLogFailed = errors.New("event log failed")

// protocolVersion and compatVersion are what clients gate features by: the
// signal protocol, and the LiveKit release whose behaviour is matched.
const (
	protocolVersion = 16
	compatVersion   = "1.9.0"
)

// Start builds and starts a server. It returns when clients can connect. What it
// started before an error is stopped again.
func Start(ctx context.Context, cfg *config.Config, version string, log *slog.Logger) (_ *Server, err error) {
	s := &Server{
		cfg: cfg, log: log,
		reading:   make(chan struct{}),
		leaving:   make(chan struct{}),
		draining:  make(chan struct{}),
		settled:   make(chan struct{}),
		serveErr:  make(chan error, 16),
		startedAt: time.Now(),
	}
	defer func() {
		if err != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = s.Stop(stopping)
		}
	}()
	if cfg.Tracing.Enabled {
		if s.tracer, err = tracing.New(ctx, tracing.Options{Endpoint: cfg.Tracing.Endpoint, Version: version, Logger: log}); err != nil {
			return nil, err
		}
	}
	if err := s.openLog(ctx); err != nil {
		return nil, err
	}
	if err := s.openMedia(ctx); err != nil {
		return nil, err
	}
	if err := s.bindPorts(); err != nil {
		return nil, err
	}
	if err := s.openRelay(); err != nil {
		return nil, err
	}
	if err := s.openRooms(ctx, version); err != nil {
		return nil, err
	}
	return s, nil
}

// openLog opens the log, starts delivery and closes what a crash left open.
func (s *Server) openLog(ctx context.Context) error {
	endpoints, err := s.endpoints()
	if err != nil {
		return err
	}
	store, err := pebble.Open(pebble.Options{Dir: filepath.Join(s.cfg.DataDir, "events"), Logger: s.log})
	if err != nil {
		return err
	}
	s.events, err = eventlog.Open(eventlog.Options{Store: store, Logger: s.log, Retention: s.retention()})
	if err != nil {
		return errors.Join(fmt.Errorf("open event log in %s: %w", s.cfg.DataDir, err), store.Close())
	}
	s.consumers = httpapi.NewConsumers(apiLog{eventlog.Intact{Log: s.events}})
	o := delivery.Options{
		Log: s.events, Cursors: s.events, Endpoints: endpoints, Logger: s.log,
		Keys: s.cfg.Keys, AllowNetworks: s.receiverNetworks(),
	}
	if s.tracer != nil {
		s.tracer.Follow(s.events)
		o.Trace = s.tracer.Webhook
	}
	s.delivery, err = delivery.Start(o)
	if err != nil {
		return err
	}
	close(s.reading)
	began := time.Now()
	var n int
	n, s.leftOpen, err = s.events.ClosePeople(ctx, began)
	if err != nil {
		return fmt.Errorf("close what the log left open: %w", err)
	}
	if n > 0 {
		s.log.Warn("the last run did not end cleanly: closed the sessions that it left open", "events", n, "took", time.Since(began))
	}
	return nil
}

func (s *Server) openRooms(ctx context.Context, version string) error {
	limits := s.cfg.Limit
	s.info = &livekit.ServerInfo{
		Edition:       livekit.ServerInfo_Standard,
		Version:       compatVersion,
		Protocol:      protocolVersion,
		AgentProtocol: livekit.CurrentWorkerProtocol,
		DebugInfo:     "rollcall " + version,
	}
	s.rooms = room.NewRegistry(room.Options{
		Publish:      s.events.Enqueue,
		Commit:       s.events.Commit,
		CommitWithin: s.events.CommitWithin,
		Sync:         s.events.Sync,
		Media:        room.Peers(s.media),
		Defaults: room.Defaults{
			NoAutoCreate:     !s.cfg.Room.AutoCreate,
			EmptyTimeout:     s.cfg.Room.EmptyTimeout,
			DepartureTimeout: s.cfg.Room.DepartureTimeout,
			MaxParticipants:  uint32(s.cfg.Room.MaxParticipants),
			RejectDuplicates: s.cfg.Room.DuplicateIdentity == config.Reject,
			SyncStreams:      s.cfg.Room.SyncStreams,
			PlayoutDelay:     playoutDelay(s.cfg.Room.PlayoutDelay),
			KeepVideo:        !s.cfg.RTC.AllowPause,
			PlainOpus:        !s.cfg.Audio.ActiveREDEncoding,
			RemoteUnmute:     s.cfg.Room.EnableRemoteUnmute,
			Codecs:           s.cfg.Room.EnabledCodecs,
		},
		Presets: s.cfg.Room.Presets,
		Kept:    s.events,
		Limits: room.Limits{
			MaxMetadata:   limits.MaxMetadataSize,
			MaxAttributes: limits.MaxAttributesSize,
			MaxRoomName:   limits.MaxRoomNameLength,
			MaxIdentity:   limits.MaxParticipantIdentityLength,
			MaxName:       limits.MaxParticipantNameLength,
			MaxTracks:     limits.MaxTracks,
		},
		CheckEgress: func(ctx context.Context, e *livekit.RoomEgress) error { return s.egress.CheckAuto(ctx, e) },
		Egress:      func(r *livekit.Room, e *livekit.RoomEgress) { s.egress.Auto(r, s.firstKey(), e) },
		Wants:       func(sid string, agents []*livekit.RoomAgentDispatch) { s.agents.Wants(sid, agents) },
		ServerInfo:  s.info,
		ICEServers:  iceServers(s.cfg.RTC),
		Relay:       relayOf(s.relay),
		Logger:      s.log,
	})
	revoked, err := s.events.LoadCursors(room.RevocationPrefix)
	if err != nil {
		return fmt.Errorf("load revoked tokens: %w", err)
	}
	s.rooms.RestoreRevocations(revoked)
	s.rooms.Restore(s.leftOpen, s.pastOfRooms(ctx))
	s.agents, err = agent.Start(ctx, agent.Options{
		Log: eventlog.Intact{Log: s.events}, Rooms: s.rooms, Keys: token.Keys(s.cfg.Keys), AutoCreate: s.cfg.Room.AutoCreate,
		ServerInfo: s.info, MaxMetadata: limits.MaxMetadataSize, Logger: s.log,
	})
	if err != nil {
		return err
	}
	if err := s.openEgress(ctx); err != nil {
		return err
	}
	if err := s.openIngress(ctx); err != nil {
		return err
	}
	s.signal = signal.NewHandler(signal.Options{
		Trace: s.traceJoins(),
		Rooms: s.rooms, Keys: token.Keys(s.cfg.Keys), Logger: s.log, TrustedProxies: networks(s.cfg.TrustedProxies),
		Limits: signal.Limits{
			JoinsPerKey: limits.JoinsPerKey, JoinsPerAddress: limits.JoinsPerAddress,
			ConnectionsPerAddress: limits.ConnectionsPerAddress,
			Messages:              limits.SignalMessages, Bytes: limits.SignalBytes,
		},
	})

	metrics := s.metricsHandler(version)
	handler := httpapi.NewHandler(httpapi.Options{
		Keys:         token.Keys(s.cfg.Keys),
		Rooms:        s.rooms,
		Participants: s.rooms,
		Log:          apiLog{eventlog.Intact{Log: s.events}},
		Consumers:    s.consumers,
		Endpoints:    s.delivery,
		Deliveries:   s.delivery,
		Signal:       s.signal,
		WHIP:         s.whip,
		Agents:       s.agents,
		Guard:        s.signal.Guard,
		Egress:       s.egress,
		Ingress:      s.ingress,
		Page:         web.Handler(),
		Docs:         site.Handler(docs.Files),
		Ready:        s.ready,
		Alive:        s.alive,
		LogState:     s.logState,
		Forgetter:    s,
		Draining:     s.settled,
		Figures:      s.openFigures(version),
		Login:        s.login(),
		DevKey:       s.devKey(),
		Metrics:      s.publicMetrics(metrics),

		RequestsPerKey: limits.RequestsPerKey,
		Debug:          s.cfg.Development,
		Stats:          func() any { return s.Stats() },
		Logger:         s.log,
	})
	s.serveRTMP()
	s.servePorts(handler, metrics)
	return nil
}

// devKey is the key of tokens for whoever asks; empty outside development.
func (s *Server) devKey() string {
	if !s.cfg.Development {
		return ""
	}
	if _, ok := s.cfg.Keys[config.DevKey]; ok {
		return config.DevKey
	}
	return slices.Min(slices.Collect(maps.Keys(s.cfg.Keys)))
}

// ready says why the server should get no new clients.
func (s *Server) ready() error {
	if err := s.alive(); err != nil {
		return err
	}
	select {
	case <-s.leaving:
		return room.ErrStopping
	default:
		return s.events.Ready()
	}
}

// alive is ready without what a restart would not help.
func (s *Server) alive() error {
	select {
	case <-s.draining:
		return room.ErrStopping
	case <-s.events.Failed():
		return ErrLogFailed
	default:
		return nil
	}
}

// MediaAddrs are where media comes in, for the start message.
func (s *Server) MediaAddrs() (udp, tcp net.Addr) {
	if a := s.media.UDPAddr(); a != nil { // a nil pointer would be no nil net.Addr
		udp = a
	}
	if a := s.media.TCPAddr(); a != nil {
		tcp = a
	}
	return udp, tcp
}

// Wait returns when the server cannot go on, with the reason, or when ctx ends.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.serveErr:
		return err
	case <-s.events.Failed():
		return fmt.Errorf("%w: %w", ErrLogFailed, s.events.Err())
	}
}

// Stats is what /debug/stats shows.
type Stats struct {
	Uptime      string                   `json:"uptime"`
	Goroutines  int                      `json:"goroutines"`
	Rooms       room.Stats               `json:"rooms"`
	Connections int                      `json:"signalConnections"`
	Signal      signal.Stats             `json:"signal"`
	Agents      agent.Stats              `json:"agents"`
	LogLast     uint64                   `json:"logLast"`
	Log         httpapi.LogState         `json:"log"`
	Endpoints   []delivery.EndpointStats `json:"endpoints"`
	Relay       *turn.Stats              `json:"relay,omitempty"` // if there is one
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	stats := Stats{
		Uptime:      time.Since(s.startedAt).Round(time.Second).String(),
		Goroutines:  runtime.NumGoroutine(),
		Rooms:       s.rooms.Stats(),
		Connections: s.signal.Stats().Connections,
		Signal:      s.signal.Stats(),
		Agents:      s.agents.Stats(),
		LogLast:     s.events.Last(),
		Log:         s.logState(),
		Endpoints:   s.delivery.Stats(),
	}
	if s.relay != nil {
		relay := s.relay.Stats()
		stats.Relay = &relay
	}
	return stats
}

// playoutDelay is the delay of rooms that bring none.
func playoutDelay(d config.PlayoutDelay) [2]time.Duration {
	if !d.Enabled {
		return [2]time.Duration{}
	}
	return [2]time.Duration{time.Duration(d.Min) * time.Millisecond, time.Duration(d.Max) * time.Millisecond}
}
