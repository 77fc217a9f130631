package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/ingress/rtmp"
	"github.com/rollcall-rtc/rollcall/internal/ingress/source"
)

// rtmpPorts are where encoders push to: RTMP and RTMPS.
type rtmpPorts struct {
	plain, secure *httpPort // nil if there is none
	cancel        context.CancelFunc
	serving       sync.WaitGroup
	servers       []*rtmp.Server // immutable once anything is served
}

// Stats returns what was counted at all ports.
func (p *rtmpPorts) Stats() (sum rtmp.Stats) {
	for _, s := range p.servers {
		st := s.Stats()
		sum.Open += st.Open
		sum.Accepted += st.Accepted
		sum.Refused += st.Refused
		sum.WrongKeys += st.WrongKeys
		sum.Publishing += st.Publishing
		sum.Malformed += st.Malformed
	}
	return sum
}

// usualRTMP is where encoders expect RTMP.
const usualRTMP = 1935

// bindRTMP takes the ports. In development the usual one is taken if nobody has it.
func (s *Server) bindRTMP() error {
	s.rtmp = new(rtmpPorts)
	if s.cfg.Development && s.cfg.Where["ingress.rtmp.port"] == "" && s.cfg.Port != 0 {
		port := &httpPort{name: "RTMP", key: "ingress.rtmp.port"}
		if err := port.bind(s.cfg.BindAddresses, usualRTMP); err != nil {
			s.log.Info("no RTMP", "reason", err)
		} else {
			s.rtmp.plain = port
		}
	}
	for _, p := range []struct {
		port      **httpPort
		name, key string
		number    int
	}{
		{&s.rtmp.plain, "RTMP", "ingress.rtmp.port", s.cfg.Ingress.RTMP.Port},
		{&s.rtmp.secure, "RTMPS", "ingress.rtmp.tls_port", s.cfg.Ingress.RTMP.TLSPort},
	} {
		if p.number == 0 {
			continue
		}
		*p.port = &httpPort{name: p.name, key: p.key}
		if err := (*p.port).bind(s.cfg.BindAddresses, p.number); err != nil {
			return err
		}
	}
	return nil
}

// serveRTMP lets encoders in.
func (s *Server) serveRTMP() {
	ctx, cancel := context.WithCancel(context.Background())
	s.rtmp.cancel = cancel
	handler := &source.RTMP{Sessions: s.ingress, FFmpeg: s.cfg.Ingress.FFmpeg, Running: s.transcoders, Logger: s.log}
	for _, p := range []*httpPort{s.rtmp.plain, s.rtmp.secure} {
		if p == nil {
			continue
		}
		o := rtmp.Options{Handler: handler, Logger: s.log, MaxPerAddress: s.cfg.Ingress.RTMP.ConnectionsPerAddress}
		if p == s.rtmp.secure {
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate}
		}
		server := rtmp.New(o)
		s.rtmp.servers = append(s.rtmp.servers, server)
		for _, l := range p.bound {
			s.rtmp.serving.Go(func() {
				if err := server.Serve(ctx, l); err != nil {
					s.serveErr <- fmt.Errorf("serve %s: %w", l.Addr(), err)
				}
			})
		}
	}
}

// stop ends all connections, and returns when they are gone, or with ctx. A nil one
// has ended.
func (p *rtmpPorts) stop(ctx context.Context) error {
	if p == nil {
		return nil
	}
	if p.cancel != nil {
		p.cancel()
	}
	var errs []error
	gone := make(chan struct{})
	go func() { p.serving.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("end RTMP: %w", ctx.Err()))
	}
	for _, port := range []*httpPort{p.plain, p.secure} {
		if port != nil && p.cancel == nil {
			for _, l := range port.bound {
				errs = append(errs, l.Close())
			}
		}
	}
	return errors.Join(errs...)
}

// RTMPAddr and RTMPSAddr are where encoders push to, nil if nowhere.
func (s *Server) RTMPAddr() net.Addr { return s.rtmp.plain.addr() }

// RTMPSAddr is RTMPAddr with TLS.
func (s *Server) RTMPSAddr() net.Addr { return s.rtmp.secure.addr() }

// rtmpURL is what encoders are told: the host by which the caller of the API knows
// this server, unless the configuration has another. Empty: there is no RTMP.
func (s *Server) rtmpURL(origin string) string {
	if s.cfg.Ingress.RTMPBaseURL != "" {
		return s.cfg.Ingress.RTMPBaseURL
	}
	scheme, addr, usual := "rtmps", s.RTMPSAddr(), 443
	if plain := s.RTMPAddr(); plain != nil {
		scheme, addr, usual = "rtmp", plain, usualRTMP
	}
	here, err := url.Parse(origin)
	if addr == nil || err != nil {
		return ""
	}
	host := here.Hostname()
	if port := addr.(*net.TCPAddr).Port; port != usual {
		host = net.JoinHostPort(host, fmt.Sprint(port))
	}
	return scheme + "://" + host + "/live"
}
