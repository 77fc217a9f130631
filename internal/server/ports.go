package server

import (
	"net"
	"net/http"

	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/metrics"
)

// metricsHandler shows what all parts count, to whoever asks.
func (s *Server) metricsHandler(version string) http.Handler {
	sources := metrics.Sources{
		Version: version, Started: s.startedAt, Ready: s.ready,
		Rooms: s.rooms, Media: s.media, Signal: s.signal, Agents: s.agents,
		Log: s.events, Delivery: s.delivery,
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

// openPorts makes the servers of metrics and for administration, if they are
// wanted.
func (s *Server) openPorts(h http.Handler) {
	if p := s.cfg.Prometheus; p.Port != 0 {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics.Protect(h, p.Username, p.Password))
		s.metrics = &httpPort{name: "metrics", key: "prometheus.port", server: httpapi.NewServer(mux, s.log)}
	}
	if s.cfg.Admin.Port != 0 {
		handler := httpapi.NewAdminHandler(httpapi.AdminOptions{
			Metrics: h, Ready: s.ready, Alive: s.alive, Stats: func() any { return s.Stats() },
		})
		s.admin = &httpPort{name: "admin", key: "admin.port", server: httpapi.NewServer(handler, s.log)}
	}
}

// listen binds all HTTP ports, that of the clients last.
func (s *Server) listen() error {
	if s.metrics != nil {
		addresses := s.cfg.Prometheus.BindAddresses
		if len(addresses) == 0 {
			addresses = s.cfg.BindAddresses
		}
		if err := s.metrics.listen(addresses, s.cfg.Prometheus.Port, s.serveErr); err != nil {
			return err
		}
	}
	if s.admin != nil {
		if err := s.admin.listen(s.cfg.Admin.BindAddresses, s.cfg.Admin.Port, s.serveErr); err != nil {
			return err
		}
	}
	return s.http.listen(s.cfg.BindAddresses, s.cfg.Port, s.serveErr)
}

// Addr is where HTTP clients connect.
func (s *Server) Addr() net.Addr { return s.http.addr() }

// MetricsAddr is where metrics are read, nil if they have no port of their own.
func (s *Server) MetricsAddr() net.Addr { return s.metrics.addr() }

// AdminAddr is the port for administration, nil if there is none.
func (s *Server) AdminAddr() net.Addr { return s.admin.addr() }
