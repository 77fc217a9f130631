package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"time"
)

// newTransport returns a connection pool for one endpoint. It speaks HTTP/1.1:
// a hanging request then costs its own connection only, and every lane in
// flight keeps one open. What the config did not name is dialled under the
// guard, and through no proxy, which would dial in its place.
func newTransport(e *Endpoint, o *Options) (*http.Transport, error) {
	conf, err := tlsConfig(e, o)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	proxy := o.Transport.Proxy
	if e.Source != SourceConfig {
		g := guard{allow: o.AllowNetworks}
		dialer.ControlContext = g.control
		proxy = nil
	}
	dial := o.Transport.DialContext
	if dial == nil {
		dial = dialer.DialContext
	}
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        conf,
		Proxy:                  proxy,
		Protocols:              protocols,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           o.Concurrency,
		MaxIdleConnsPerHost:    o.Concurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxResponse,
		DisableCompression:     true,
	}, nil
}

// Check is Validate for an endpoint with its defaults, and looks at its files too.
func Check(e Endpoint) error {
	e.setDefaults()
	if err := e.Validate(); err != nil {
		return err
	}
	_, err := tlsConfig(&e, &Options{})
	return err
}

// tlsConfig reads the files that the endpoint names.
func tlsConfig(e *Endpoint, o *Options) (*tls.Config, error) {
	conf := o.Transport.TLS.Clone()
	if e.CAFile == "" && e.ClientCert == "" {
		return conf, nil
	}
	if conf == nil {
		conf = &tls.Config{}
	}
	if e.CAFile != "" {
		pem, err := os.ReadFile(e.CAFile)
		if err != nil {
			return nil, &EndpointError{Field: "caFile", Problem: err.Error()}
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &EndpointError{Field: "caFile", Problem: "holds no certificate"}
		}
	}
	if e.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(e.ClientCert, e.ClientKey)
		if err != nil {
			return nil, &EndpointError{Field: "clientCert", Problem: err.Error()}
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
