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
		Publish:    s.events.Enqueue,
		Commit:     s.events.Commit,
		CommitSoon: s.events.CommitSoon,
		Sync:       s.events.Sync,
		Media:      room.Peers(s.media),
		Defaults: room.Defaults{
			NoAutoCreate:     !s.cfg.Room.AutoCreate,
			EmptyTimeout:     s.cfg.Room.EmptyTimeout,
			DepartureTimeout: s.cfg.Room.DepartureTimeout,
			MaxParticipants:  uint32(s.cfg.Room.MaxParticipants),
			RejectDuplicates: s.cfg.Room.DuplicateIdentity == config.Reject,
			SyncStreams:      s.cfg.Room.SyncStreams,
			PlayoutDelay:     playoutDelay(s.cfg.Room.PlayoutDelay),
			KeepVideo:        !s.cfg.RTC.AllowPause,
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

// Drain goes on for a while for those who are there, before a Stop: the server says
// that it is not ready, and lets nobody in but who comes back to a session. It
// returns after the configured delay, or with ctx, or as Wait does with the reason why
// it cannot go on.
func (s *Server) Drain(ctx context.Context) error {
	delay := s.cfg.Drain.Delay
	if delay <= 0 {
		return nil
	}
	s.log.Info("draining", "delay", delay, "participants", s.rooms.Stats().Participants)
	s.leaveOnce.Do(func() { close(s.leaving) })
	s.signal.Drain()
	s.ingress.Drain()
	s.whip.Drain()
	ctx, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	return s.Wait(ctx)
}

const (
	// recordingGrace is how long a stop lets recordings finish their files.
	recordingGrace = 5 * time.Second
	// requestGrace is how long it waits for requests to be answered, and for downloads.
	requestGrace = 2 * time.Second
)

// Stop ends the server in good order, within ctx. It may be called twice.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	close(s.draining)
	var errs []error
	if s.egress != nil {
		// Before the rooms end, and with them what is recorded.
		ending, cancel := context.WithTimeout(ctx, recordingGrace)
		errs = append(errs, s.egress.Close(ending))
		cancel()
	}
	if s.ingress != nil {
		errs = append(errs, s.ingress.Close(ctx))
	}
	errs = append(errs, s.rtmp.stop(ctx))
	errs = append(errs, s.closeRooms(ctx))
	if s.agents != nil {
		errs = append(errs, s.agents.Close(ctx))
	}
	if s.events != nil {
		// Streams end with the last event and not before it.
		_ = s.events.Sync(ctx, s.events.Append())
	}
	close(s.settled)
	if s.signal != nil {
		errs = append(errs, s.signal.Close(ctx))
	}
	if s.whip != nil {
		errs = append(errs, s.whip.Close(ctx))
	}
	errs = append(errs, s.stopRequests(ctx))
	if s.acme != nil {
		errs = append(errs, s.acme.Close(ctx))
	}
	if s.watch != nil {
		s.watch.Close()
	}
	if s.media != nil {
		errs = append(errs, s.media.Close(ctx))
	}
	if s.relay != nil {
		errs = append(errs, s.relay.Close())
	}
	errs = append(errs, s.closeMuxes())
	if s.delivery != nil {
		s.drainDelivery(ctx)
		errs = append(errs, s.delivery.Close(ctx))
	}
	if s.events != nil {
		errs = append(errs, s.events.Close(ctx))
	}
	errs = append(errs, s.tracer.Close(ctx))
	// The last to go: a stop can be watched to its end.
	errs = append(errs, s.metrics.stop(ctx), s.admin.stop(ctx))
	return errors.Join(errs...)
}

// stopRequests ends the public ports, and whoever does not come to an end there: what
// follows, the last webhooks among it, must not wait for a download or half a request.
func (s *Server) stopRequests(ctx context.Context) error {
	answering, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	err := errors.Join(s.http.stop(answering), s.redirect.stop(answering))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.log.Warn("requests that were not at their end have been cut off", "after", requestGrace)
		return nil
	}
	return err
}

// drainDelivery waits a moment for endpoints that are up to get the rest.
func (s *Server) drainDelivery(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Drain.Webhooks)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pending := uint64(0)
		for _, e := range s.delivery.Stats() {
			pending += e.Lag
		}
		if pending == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.log.Info("webhooks are still queued; they go out after the next start", "events", pending)
			return
		case <-tick.C:
		}
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
