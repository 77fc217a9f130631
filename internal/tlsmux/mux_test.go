package tlsmux

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-rtc/rollcall/internal/testkit/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a mux with a web server that says by what it was reached, and something
// that echoes in place of TURN.
type rig struct {
	*testing.T
	mux   *Mux
	trust *tls.Config
}

func newRig(t *testing.T) *rig { return newRigWith(t, maxPending) }

func newRigWith(t *testing.T, maxPending int) *rig {
	t.Helper()
	certFile, keyFile := pki.Write(t, t.TempDir(), "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := newMux(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1", "acme-tls/1"}}, maxPending)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })}
	done := make(chan struct{}, 2)
	go func() {
		_ = server.Serve(m.Web())
		done <- struct{}{}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			conn, err := m.TURN().Accept()
			if err != nil {
				return
			}
			b := make([]byte, 4)
			if _, err := io.ReadFull(conn, b); err == nil {
				_, _ = conn.Write(append([]byte("turn:"), b...))
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = m.Close()
		_ = server.Close()
		<-done
		<-done
	})
	trust := pki.Trust(t, certFile)
	return &rig{t, m, trust}
}

func (r *rig) get(h2 bool) string {
	r.Helper()
	transport := &http.Transport{TLSClientConfig: r.trust.Clone(), ForceAttemptHTTP2: h2}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("https://" + r.mux.Web().Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

func (r *rig) dial(protocols ...string) *tls.Conn {
	r.Helper()
	config := r.trust.Clone()
	config.NextProtos = protocols
	conn, err := tls.Dial("tcp", r.mux.Web().Addr().String(), config)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.Fatal(err)
	}
	return conn
}

func TestTheFirstByteTellsTURNFromHTTP(t *testing.T) {
	r := newRig(t)
	if got := r.get(false); got != "HTTP/1.1" {
		t.Errorf("HTTP: %q", got)
	}
	if got := r.get(true); got != "HTTP/2.0" {
		t.Errorf("HTTP/2: %q", got)
	}
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		conn := r.dial(protocols...)
		allocate := []byte{0, 3, 0, 8} // RFC 8656 §18.2, of a request of eight bytes
		if _, err := conn.Write(allocate); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(answer, append([]byte("turn:"), allocate...)) {
			t.Errorf("TURN that offers %v: %q, %v", protocols, answer, err)
		}
	}
	// Without any protocol offered it may still be HTTP.
	conn := r.dial()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("HTTP without ALPN: %v", err)
	} else {
		_ = resp.Body.Close()
	}
}

func TestAHandshakeOfACMEIsAllThereIs(t *testing.T) {
	conn := newRig(t).dial("acme-tls/1")
	if p := conn.ConnectionState().NegotiatedProtocol; p != "acme-tls/1" {
		t.Errorf("negotiated %q", p)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes after it", n)
	}
}

func TestOneThatSaysNothingKeepsNobodyWaiting(t *testing.T) {
	r := newRig(t)
	silent, err := net.Dial("tcp", r.mux.Web().Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	shaken := r.dial()
	if got := r.get(false); got != "HTTP/1.1" {
		t.Errorf("behind it: %q", got)
	}
	if err := r.mux.Close(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{silent, shaken} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("it is still open after the end")
		}
	}
}

func TestManyThatSayNothingKeepNobodyOut(t *testing.T) {
	r := newRigWith(t, 4)
	var silent []net.Conn
	for range 8 {
		silent = append(silent, r.dial())
		defer silent[len(silent)-1].Close()
	}
	for range 3 {
		if got := r.get(false); got != "HTTP/1.1" {
			t.Errorf("behind them: %q", got)
		}
	}
	for i, conn := range silent[:4] {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open: %v", i, err)
		}
	}
	if err := r.mux.Close(); err != nil {
		t.Fatal(err)
	}
}
