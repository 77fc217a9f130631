package delivery

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// Whatever is not 2xx is a failure, is told as what it is, and is tried again;
// where a redirect points nothing ever goes.
func TestEveryOtherAnswerIsAFailureAndNothingFollowsARedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 413, 415, 418, 429, 500, 501, 502, 503, 504, 599} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.sinks["a"].Script(webhooksink.Sequence(fault{Status: status, Location: "http://b/hook"}))
				w.stop(time.Second)
				w.options.Endpoints = []Endpoint{hostEndpoint("a")}
				w.start()
				w.emit("blue", 1)
				w.wantWithin(10*time.Second, "a", "", 1)
				w.wantWhole("a")
				all := w.sinks["a"].Deliveries()
				if len(all) != 2 || w.sinks["b"].Len() != 0 {
					t.Fatalf("%d requests, %d to where it was redirected", len(all), w.sinks["b"].Len())
				}
				x, err := w.eng.Why(bg, 1)
				if err != nil || len(x.Endpoints) != 1 || len(x.Endpoints[0].Attempts) != 2 {
					t.Fatalf("%+v, %v", x, err)
				}
				if first := x.Endpoints[0].Attempts[0]; first.Status != status || first.Delivered() {
					t.Errorf("the attempt is kept as %+v", first)
				}
			}, "a", "b")
		})
	}
}

// rawReceiver accepts connections and has each answered by hand; the first few by
// the given ones, in turn, all others with 200.
func rawReceiver(t *testing.T, hands ...func(net.Conn, *http.Request)) (url string, accepted func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n, good atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				conn.Close()
				continue
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Error("the body was cut short:", err)
			}
			if i := int(n.Add(1)) - 1; i < len(hands) {
				hands[i](conn, req)
			} else {
				good.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String() + "/hook", func() int { return int(good.Load()) }
}

// The answers that no HTTP library gives: each is a failure, and the event comes
// again until it is accepted.
func TestBrokenAnswersOnRealConnectionsAreFailures(t *testing.T) {
	say := func(s string) func(net.Conn, *http.Request) {
		return func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, s) }
	}
	halfClosed := func(conn net.Conn, _ *http.Request) { // no more will come, and the socket stays
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
	reset := func(conn net.Conn, _ *http.Request) { _ = conn.(*net.TCPConn).SetLinger(0) }
	hands := []func(net.Conn, *http.Request){
		halfClosed, reset,
		say(""), say("\r\n"), say("HTTP/1.1 20"), say("HTTP/1.1 200 OK\r\nContent-Le"), say("HTTP/1.1 two hundred\r\n\r\n"),
		say("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Fill: "+strings.Repeat("x", 1000)+"\r\n", 100) + "\r\n"),
		say("\x16\x03\x01\x00\x05hello"),                                                       // TLS
		say("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),                    // HTTP/2 settings
		say("\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),            // and a GOAWAY
		say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), // unasked
		say("HTTP/1.1 100 Continue\r\n\r\n"),                                                   // and then nothing
	}
	url, accepted := rawReceiver(t, hands...)
	log, eng := toURL(t, url)
	log.Append(roomEvent("blue"))
	waitUntil(t, func() bool { return accepted() > 0 })
	s := eng.Stats()[0]
	if accepted() != 1 || s.Failures < uint64(len(hands)) {
		t.Errorf("accepted %d times after %d of %d failures: %s", accepted(), s.Failures, len(hands), s.LastError)
	}
}

// A body is read as far as 64 KB and no further, however long it is; its status
// has decided.
func TestHugeAnswerIsNotReadToItsEnd(t *testing.T) {
	for _, status := range []string{"200 OK", "500 Internal Server Error"} {
		t.Run(status, func(t *testing.T) {
			const size = 100 << 20
			written := make(chan int64, 1)
			url, _ := rawReceiver(t, func(conn net.Conn, _ *http.Request) {
				fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n", status, size)
				n, _ := io.CopyN(conn, zeros{}, size)
				written <- n
			})
			log, eng := toURL(t, url)
			log.Append(roomEvent("blue"))
			select {
			case n := <-written:
				if n > size/2 {
					t.Errorf("%d bytes of %d were taken", n, size)
				}
			case <-time.After(time.Minute):
				t.Fatal("the answer was never given up")
			}
			waitUntil(t, func() bool { return eng.Stats()[0].Successes == 1 })
			if s := eng.Stats()[0]; (s.Failures == 0) != strings.HasPrefix(status, "200") {
				t.Errorf("%d failures, %s", s.Failures, s.LastError)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// toURL is an engine with one endpoint, whose rooms wait for what is refused.
func toURL(t *testing.T, url string) (*eventlog.Log, *Engine) {
	t.Helper()
	o := fast()
	o.Timeout = 2 * time.Second
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	o.Log, o.Cursors = log, log
	o.Endpoints = []Endpoint{{ID: "raw", URL: url, APIKey: "devkey", Secret: "secret", Block: true}}
	eng, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(eng.Close(ctx), log.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return log, eng
}

// waitUntil waits for what happens on real sockets.
func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within a minute")
		}
	}
}

// A receiver that speaks HTTP/2 as well is spoken to in HTTP/1.1, so that no
// GOAWAY can take the requests of many rooms along.
func TestReceiverThatOffersHTTP2IsSpokenToInHTTP1(t *testing.T) {
	cert := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	o := fast()
	o.Transport.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	o.Transport.TLS.RootCAs.AddCert(cert.Leaf)
	var offered atomic.Pointer[[]string]
	log, _, sink, _ := loopback(t, o, &tls.Config{
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			offered.Store(&hello.SupportedProtos)
			return cert, nil
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log.Append(roomEvent("blue"))
	if _, err := sink.Wait(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(*offered.Load(), "h2") {
		t.Errorf("offers %v", *offered.Load())
	}
}
