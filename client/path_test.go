package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

func TestMediaAndDataTakeEveryPath(t *testing.T) {
	overTCP := func(o *client.Options) {
		o.NetworkTypes = []webrtc.NetworkType{webrtc.NetworkTypeTCP4}
	}
	relayed := func(o *client.Options) { o.RelayOnly = true }
	dual := func(*client.Options) {}
	for name, c := range map[string]struct {
		turn   func(t *testing.T) string // of the server's configuration
		option func(*client.Options)
		mode   func(*client.Options)
		want   client.Path // but for its addresses
	}{
		"TCP":           {nil, overTCP, dual, client.Path{Protocol: "tcp"}},
		"TCP, single":   {nil, overTCP, single, client.Path{Protocol: "tcp"}},
		"TURN over UDP": {func(*testing.T) string { return "udp_port: -1" }, relayed, single, client.Path{Protocol: "udp", Relay: true}},
		"TURN over TLS": {turnOverTLS, relayed, dual, client.Path{Protocol: "tls", Relay: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := ""
			if c.turn != nil {
				config = "turn: {enabled: true, " + c.turn(t) + "}"
			}
			alice := resumes(t, rollcall(t, config), func(o *client.Options) { c.mode(o); c.option(o) })
			wantPath(t, alice, c.want)
		})
	}
}

// wantPath checks which way everything goes, but for the addresses.
func wantPath(t *testing.T, room *client.Room, want client.Path) {
	t.Helper()
	paths, err := room.Paths(t.Context())
	if err != nil || len(paths) == 0 {
		t.Errorf("paths %v, %v", paths, err)
	}
	for _, p := range paths {
		if p.Local == "" || p.Remote == "" {
			t.Errorf("no address: %+v", p)
		}
		if p.Local, p.Remote = "", ""; p != want {
			t.Errorf("path %+v, want %+v", p, want)
		}
	}
}

// turnOverTLS is the configuration of a relay for localhost, whose certificate this
// process trusts: TestMain has made SSL_CERT_FILE a file of the tests'.
func turnOverTLS(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("udp_port: 0, tls_port: %d, domain: localhost, cert_file: %s, key_file: %s", port, trusted.cert, trusted.key)
}

// trusted are the files of a certificate for localhost.
var trusted struct{ cert, key string }

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "client")
		if err == nil {
			err = trust(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "certificate:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := beside(); err != nil {
			fmt.Fprintln(os.Stderr, "flags:", err)
			return 1
		}
		return m.Run()
	}())
}

// trust makes a certificate for localhost the one that this process trusts.
func trust(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	trusted.cert, trusted.key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		trusted.cert: {Type: "CERTIFICATE", Bytes: der}, trusted.key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return os.Setenv("SSL_CERT_FILE", trusted.cert)
}
