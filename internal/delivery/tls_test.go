package delivery

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// certificate returns one for an address, signed by itself.
func certificate(t *testing.T, host string, notAfter time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, IPAddresses: []net.IP{net.ParseIP(host)},
		NotBefore: notAfter.Add(-1000 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestBadCertificateIsAFailureUntilItIsReplaced(t *testing.T) {
	for _, tc := range []struct {
		name      string
		host      string
		notAfter  time.Duration
		untrusted bool
		says      string
	}{
		{"unknown authority", "127.0.0.1", time.Hour, true, "unknown authority"},
		{"wrong name", "192.0.2.1", time.Hour, false, "valid for 192.0.2.1, not 127.0.0.1"},
		{"expired", "127.0.0.1", -time.Hour, false, "expired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			trusted := x509.NewCertPool()
			good := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
			bad := certificate(t, tc.host, time.Now().Add(tc.notAfter))
			trusted.AddCert(good.Leaf)
			if !tc.untrusted {
				trusted.AddCert(bad.Leaf)
			}
			var current atomic.Pointer[tls.Certificate]
			current.Store(bad)

			o := fast()
			o.Transport.TLS = &tls.Config{RootCAs: trusted}
			log, eng, sink, _ := loopback(t, o, &tls.Config{
				GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
			})
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for range 3 {
				log.Append(roomEvent("blue"))
			}
			for eng.Stats()[0].Failures < 3 && ctx.Err() == nil {
				runtime.Gosched()
			}
			if n := sink.Len(); n != 0 {
				t.Errorf("%d requests went to a host that could not prove who it is", n)
			}
			if s := eng.Stats()[0]; !strings.Contains(s.LastError, tc.says) {
				t.Errorf("last error %q, want it to say %q", s.LastError, tc.says)
			}
			current.Store(good)
			if _, err := sink.Wait(ctx, 3); err != nil {
				t.Errorf("after the certificate was replaced: %v, %+v", err, eng.Stats()[0])
			}
		})
	}
}
