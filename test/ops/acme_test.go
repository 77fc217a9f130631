//go:build tools

package ops

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/rollcall-rtc/rollcall/internal/testkit/pki"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const domain = "rooms.rollcall.test"

// freePort returns a TCP port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// nameServer says, over TCP as Pebble asks, that every name is this machine.
func nameServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				for answerName(conn) == nil {
				}
			})
		}
	})
	return l.Addr().String()
}

// answerName answers one question, RFC 1035 §4.2.2.
func answerName(conn net.Conn) error {
	var size uint16
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	buf := make([]byte, size)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf); err != nil {
		return err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	answer, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

// output collects what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // mu guards
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// authority runs Pebble, Let's Encrypt's server for tests, which checks names at
// the ports of this machine. It returns its directory, and files of what to trust
// when talking to it.
func authority(t *testing.T, httpPort, tlsPort int) (directory, ca string, issuer func() string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := pki.Write(t, dir, "127.0.0.1")
	at, manage := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": at, "managementListenAddress": manage, "certificate": certFile, "privateKey": keyFile,
		"httpPort": httpPort, "tlsPort": tlsPort,
		"profiles": map[string]any{"default": map[string]any{"description": "default", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(filepath.Join(root, "out/tools/usr/bin/pebble"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-config", file, "-dnsserver", nameServer(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var said output
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pebble said:\n%s", said.String())
		}
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: pki.Trust(t, certFile)}}
	fetch := func(url string) (string, error) {
		resp, err := client.Get(url)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	eventually(t, "pebble to answer", func() bool { _, err := fetch("https://" + at + "/dir"); return err == nil })
	return "https://" + at + "/dir", certFile, func() string {
		text, err := fetch("https://" + manage + "/roots/0")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// eventually waits for what processes and sockets bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestCertificateComesFromAnACMEAuthority(t *testing.T) {
	for _, c := range []struct {
		name string
		http bool // the authority checks the name on the redirect port only
	}{{"by a TLS handshake", false}, {"over HTTP", true}} {
		t.Run(c.name, func(t *testing.T) {
			port, redirect := freePort(t), freePort(t)
			checked := port
			if c.http {
				checked = freePort(t) // nobody is there
			}
			directory, ca, issuer := authority(t, redirect, checked)
			dir := t.TempDir()
			s := start(t, fmt.Sprintf("tls: {redirect_port: %d, acme: {domains: [%s], email: ops@rollcall.test, directory: '%s', ca_file: %s, cache_dir: %s}}",
				redirect, domain, directory, ca, dir), port)
			rootFile := filepath.Join(dir, "root.pem")
			if err := os.WriteFile(rootFile, []byte(issuer()), 0o600); err != nil {
				t.Fatal(err)
			}
			trust := pki.Trust(t, rootFile)
			trust.ServerName = domain
			var serial string
			eventually(t, "a certificate of the authority", func() bool {
				conn, err := tls.Dial("tcp", s.Addr().String(), trust)
				if err != nil {
					return false
				}
				defer conn.Close()
				serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
				return true
			})

			raw, err := token.Mint(key, secret, &token.Claims{Identity: "ana", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			client := &http.Client{Transport: &http.Transport{
				TLSClientConfig: trust,
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, s.Addr().String())
				},
			}}
			conn, _, err := websocket.Dial(ctx, "wss://"+domain+"/rtc?protocol=16&access_token="+raw, &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				t.Fatalf("join over wss: %v", err)
			}
			_ = conn.CloseNow()

			// Another name is none of ours: the authority is not asked for it.
			other := trust.Clone()
			other.ServerName = "other.rollcall.test"
			if conn, err := tls.Dial("tcp", s.Addr().String(), other); err == nil {
				_ = conn.Close()
				t.Error("a certificate for a name that is not configured")
			}
			// It is kept: nothing is asked for after a restart.
			if kept, err := os.ReadFile(filepath.Join(dir, domain)); err != nil || len(kept) == 0 || serial == "" {
				t.Errorf("nothing is kept of the certificate: %v", err)
			}
		})
	}
}
