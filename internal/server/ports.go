package server

import (
	"net"
	"net/http"

	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/metrics"
	"github.com/rollcall-rtc/rollcall/internal/upgrade"
)

// metricsHandler shows what all parts count, to whoever asks.
func (s *Server) metricsHandler(version string) http.Handler {
	sources := metrics.Sources{
		Version: version, Started: s.startedAt, Ready: s.ready,
		Rooms: s.rooms, Media: s.media, Signal: s.signal, Agents: s.agents,
		Log: s.events, Delivery: s.delivery, Egress: s.egress, Ingress: s.ingress, RTMP: s.rtmp, Transcoders: s.transcoders,
	}
	if s.relay != nil {
		sources.Relay = s.relay
	}
	return metrics.NewHandler(sources, s.log)
}

// publicMetrics are the metrics on the server's port; nil: they are not there.
func (s *Server) publicMetrics(h http.Handler) http.Handler {
	p := s.cfg.Prometheus
	switch {
	case p.MainPort:
		return metrics.Protect(h, p.Username, p.Password)
	case s.cfg.Development:
		return httpapi.OnlyThisMachine(h)
	}
	return nil
}

// bindPorts takes the TCP ports of all HTTP, before anything tells clients of them.
func (s *Server) bindPorts() error {
	s.http = &httpPort{name: "HTTP", key: "port, --port or ROLLCALL_PORT"}
	if p := s.cfg.Prometheus; p.Port != 0 {
		s.metrics = &httpPort{name: "metrics", key: "prometheus.port"}
		addresses := p.BindAddresses
		if len(addresses) == 0 {
			addresses = s.cfg.BindAddresses
		}
		if err := s.metrics.bind(addresses, p.Port); err != nil {
			return err
		}
	}
	if s.cfg.Admin.Port != 0 {
		s.admin = &httpPort{name: "admin", key: "admin.port"}
		if err := s.admin.bind(s.cfg.Admin.BindAddresses, s.cfg.Admin.Port); err != nil {
			return err
		}
	}
	if err := s.http.bind(s.cfg.BindAddresses, s.cfg.Port); err != nil {
		return err
	}
	if err := s.bindRTMP(); err != nil {
		return err
	}
	if !s.cfg.TLS.Enabled() {
		s.http.wrap = func(l net.Listener, server *http.Server) net.Listener {
			return upgrade.Wrap(l, server, s.log, httpapi.SignalPaths...)
		}
	}
	return s.openTLS()
}

// servePorts begins to answer.
func (s *Server) servePorts(handler, metricsHandler http.Handler) {
	if s.metrics != nil {
		p := s.cfg.Prometheus
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics.Protect(metricsHandler, p.Username, p.Password))
		s.metrics.serve(httpapi.NewServer(mux, s.log), s.serveErr)
	}
	if s.admin != nil {
		admin := httpapi.NewAdminHandler(httpapi.AdminOptions{
			Metrics: metricsHandler, Ready: s.ready, Alive: s.alive, Stats: func() any { return s.Stats() },
		})
		s.admin.serve(httpapi.NewServer(admin, s.log), s.serveErr)
	}
	if s.redirect != nil {
		s.redirect.serve(httpapi.NewServer(s.redirects(), s.log), s.serveErr)
	}
	s.http.serve(httpapi.NewServer(handler, s.log), s.serveErr)
	if s.acme != nil {
		s.acme.Start()
	}
}

// Addr is where HTTP clients connect.
func (s *Server) Addr() net.Addr { return s.http.addr() }

// MetricsAddr is where metrics are read, nil if they have no port of their own.
func (s *Server) MetricsAddr() net.Addr { return s.metrics.addr() }

// AdminAddr is the port for administration, nil if there is none.
func (s *Server) AdminAddr() net.Addr { return s.admin.addr() }
