package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	pionturn "github.com/pion/turn/v5"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/testkit/pki"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// secured is a configuration with a certificate for 127.0.0.1 in dir.
func secured(t *testing.T, dir, extra string) string {
	t.Helper()
	certFile, keyFile := pki.Write(t, dir, "127.0.0.1", "localhost")
	return fmt.Sprintf("tls: {cert_file: %s, key_file: %s, redirect_port: -1}\n%s", certFile, keyFile, extra)
}

// dialTLS joins over wss and returns the connection with its first message.
func dialTLS(t *testing.T, s *Server, trust *tls.Config) (*websocket.Conn, *livekit.SignalResponse) {
	t.Helper()
	raw, err := token.Mint(key, secret, &token.Claims{Identity: "ana", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	conn, _, err := websocket.Dial(ctx, "wss://"+s.Addr().String()+"/rtc?protocol=16&access_token="+raw, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, read(t, conn)
}

func TestANewCertificateIsUsedAndOpenConnectionsStay(t *testing.T) {
	dir := t.TempDir()
	s := start(t, configure(t, t.TempDir(), secured(t, dir, "")))
	certFile := filepath.Join(dir, "cert.pem")
	conn, first := dialTLS(t, s, pki.Trust(t, certFile))
	if first.GetJoin() == nil {
		t.Fatalf("first message %v", first)
	}
	before, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}

	pki.Write(t, dir, "127.0.0.1")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(certFile, later, later); err != nil {
		t.Fatal(err)
	}
	trust := pki.Trust(t, certFile) // the new one, and not the old one
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		d := &tls.Dialer{Config: trust}
		c, err := d.DialContext(ctx, "tcp", s.Addr().String())
		if err == nil {
			_ = c.Close()
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the new certificate is not used: %v", err)
		}
	}
	if after, _ := os.ReadFile(certFile); bytes.Equal(before, after) {
		t.Fatal("the certificate is the old one")
	}
	ping, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageBinary, ping); err != nil {
		t.Fatal(err)
	}
	for read(t, conn).GetPongResp() == nil {
	}
}

func TestHTTPClientsAreSentToHTTPS(t *testing.T) {
	dir := t.TempDir()
	s := start(t, configure(t, t.TempDir(), secured(t, dir, "")))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get("http://" + s.RedirectAddr().String() + "/twirp/x?a=b%20c")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := "https://" + s.Addr().String() + "/twirp/x?a=b%20c"; resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want {
		t.Errorf("%d to %q, want %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
	following := &http.Client{Transport: &http.Transport{TLSClientConfig: pki.Trust(t, filepath.Join(dir, "cert.pem"))}}
	resp, err = following.Get("http://" + s.RedirectAddr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(text) != "OK" {
		t.Errorf("behind the redirect: %d %q", resp.StatusCode, text)
	}
}

func TestTURNAndHTTPSShareAPort(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	dir := t.TempDir()
	cfg := configure(t, t.TempDir(), secured(t, dir, fmt.Sprintf("turn: {enabled: true, udp_port: 0, tls_port: %d, domain: localhost}", port)))
	cfg.Port = port
	if !cfg.SharesTLS() {
		t.Fatal("the port is not shared")
	}
	s := start(t, cfg)
	trust := pki.Trust(t, filepath.Join(dir, "cert.pem"))
	_, first := dialTLS(t, s, trust)
	var server *livekit.ICEServer
	for _, candidate := range first.GetJoin().GetIceServers() {
		server = candidate
	}
	if want := fmt.Sprintf("turns:localhost:%d?transport=tcp", port); server == nil || len(server.Urls) != 1 || server.Urls[0] != want {
		t.Fatalf("clients are told %v, want %s", server, want)
	}
	conn, err := tls.Dial("tcp", s.Addr().String(), trust)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := pionturn.NewClient(&pionturn.ClientConfig{
		TURNServerAddr: s.Addr().String(), Username: server.Username, Password: server.Credential, Conn: pionturn.NewSTUNConn(conn),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := c.Allocate()
	if err != nil {
		t.Fatalf("no relay on the port of HTTPS: %v", err)
	}
	_ = relayed.Close()
}

func TestACertificateThatCannotBeReadStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	cfg := configure(t, dir, secured(t, dir, ""))
	if err := os.WriteFile(cfg.TLS.KeyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(context.Background(), cfg, "test", slog.New(slog.DiscardHandler)); err == nil {
		stop(t, s)
		t.Error("it started")
	}
}
