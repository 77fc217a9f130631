package server

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/rollcall-rtc/rollcall/internal/certificate"
	"github.com/rollcall-rtc/rollcall/internal/httpapi"
	"github.com/rollcall-rtc/rollcall/internal/tlsmux"
)

// getCertificate is tls.Config.GetCertificate.
type getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// openTLS secures the HTTP port, if that is wanted, and binds the one that sends
// clients there. With TURN on the same port, connections are told apart.
func (s *Server) openTLS() error {
	t := s.cfg.TLS
	if !t.Enabled() {
		return nil
	}
	protocols := []string{"h2", "http/1.1"}
	if len(t.ACME.Domains) > 0 {
		o := certificate.ACMEOptions{
			Domains: t.ACME.Domains, Email: t.ACME.Email, Directory: t.ACME.Directory,
			CAFile: t.ACME.CAFile, CacheDir: t.ACME.CacheDir, Logger: s.log,
		}
		if o.CacheDir == "" {
			o.CacheDir = filepath.Join(s.cfg.DataDir, "acme")
		}
		var err error
		if s.acme, err = certificate.NewACME(o); err != nil {
			return err
		}
		s.certificate = s.acme.Certificate
		protocols = append(protocols, certificate.Protocol)
	} else {
		files, err := certificate.LoadFiles(t.CertFile, t.KeyFile, s.log)
		if err != nil {
			return err
		}
		s.certificate = files.Certificate
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate, NextProtos: protocols}
	if s.cfg.SharesTLS() {
		var turns []net.Listener
		for i, l := range s.http.bound {
			m := tlsmux.New(l, config)
			s.muxes = append(s.muxes, m)
			s.http.bound[i] = m.Web()
			turns = append(turns, m.TURN())
		}
		s.turnConns = turns
	} else {
		s.http.tls = config
	}
	if t.RedirectPort == 0 {
		return nil
	}
	s.redirect = &httpPort{name: "redirect", key: "tls.redirect_port"}
	return s.redirect.bind(s.cfg.BindAddresses, t.RedirectPort)
}

// redirects sends HTTP clients to HTTPS, and answers who checks names for ACME.
func (s *Server) redirects() http.Handler {
	h := httpapi.Redirect(strconv.Itoa(s.Addr().(*net.TCPAddr).Port))
	if s.acme != nil {
		return s.acme.HTTP(h)
	}
	return h
}

// closeMuxes frees the port that HTTPS and TURN share.
func (s *Server) closeMuxes() error {
	var errs []error
	for _, m := range s.muxes {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// turnCertificate is what TURN over TLS shows: files of its own, or the server's.
func (s *Server) turnCertificate() (getCertificate, error) {
	if t := s.cfg.TURN; t.CertFile != "" && !t.ExternalTLS {
		files, err := certificate.LoadFiles(t.CertFile, t.KeyFile, s.log)
		if err != nil {
			return nil, err
		}
		return files.Certificate, nil
	}
	return s.certificate, nil
}

// RedirectAddr is where HTTP clients are sent to HTTPS, nil if there is no such port.
func (s *Server) RedirectAddr() net.Addr { return s.redirect.addr() }

// TLS says whether clients connect by https and wss.
func (s *Server) TLS() bool { return s.cfg.TLS.Enabled() }
