package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/webhook"
)

// loopback is an engine with one receiver on a real socket.
func loopback(t testing.TB, o Options, conf *tls.Config) (*eventlog.Log, *Engine, *webhooksink.Sink, *webhooksink.Server) {
	t.Helper()
	sink := webhooksink.New(map[string]string{"devkey": "secret"})
	srv, err := webhooksink.Listen("127.0.0.1:0", sink, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	o.Log, o.Cursors = log, log
	o.Endpoints = []Endpoint{{ID: "sink", URL: srv.URL + "/hook?token=hush", APIKey: "devkey", Secret: "secret"}}
	eng, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := eng.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return log, eng, sink, srv
}

// fast shortens all gaps: real sockets have no virtual time.
func fast() Options {
	gaps := []time.Duration{5 * time.Millisecond, 20 * time.Millisecond}
	return Options{
		Timeout: 5 * time.Second,
		Retry:   RetryPolicy{Gaps: gaps}, Breaker: BreakerPolicy{Probes: gaps},
	}
}

func TestRealConnectionsBreakAndNothingIsLost(t *testing.T) {
	var lines logBuffer
	o := fast()
	o.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log, eng, sink, srv := loopback(t, o, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	emit := func(room string) uint64 { return log.Append(roomEvent(room)) }
	faults := []fault{{}, {Reset: true}, {ResetAfter: true}, {Status: 500, Close: true}, {Close: true}, {BodySize: 1 << 20}, {Status: 502, BodySize: 1 << 20}}
	sink.Script(func(d *webhooksink.Delivery) fault { return faults[d.N%len(faults)] })
	for i := range 100 {
		emit("blue")
		emit("red")
		if i == 30 {
			srv.Down()
		}
		if i == 60 {
			if err := srv.Up(); err != nil {
				t.Fatal(err)
			}
		}
	}
	sink.Script(nil)
	if _, err := sink.Wait(ctx, 200); err != nil {
		t.Fatalf("%d accepted: %v\n%s", len(sink.Accepted()), err, lines.tail())
	}
	recs, err := log.Read(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	// A connection that breaks may take an answer with it at any time.
	for _, complaint := range check(recs, sink.Deliveries(), nil) {
		if !strings.Contains(complaint, "came again") {
			t.Error(complaint)
		}
	}

	// The public receiver reads the same bytes.
	for _, d := range sink.Deliveries() {
		r := &http.Request{Header: d.Header, Body: io.NopCloser(bytes.NewReader(d.Body))}
		if ev, err := webhook.Receive(r, webhook.Keys{"devkey": "secret"}); err != nil || ev.GetId() != d.ID() {
			t.Fatalf("webhook.Receive = %v, %v", ev, err)
		}
	}
	if s := eng.Stats()[0]; strings.Contains(s.URL, "hush") || !strings.HasPrefix(s.URL, srv.URL) {
		t.Errorf("URL in statistics: %s", s.URL)
	}
	for _, secret := range []string{"hush", "secret", "eyJ"} {
		if strings.Contains(lines.String(), secret) {
			t.Errorf("the log lines contain %q", secret)
		}
	}
}

func TestConnectionsAreKeptAndBounded(t *testing.T) {
	o := fast()
	o.Concurrency = 4
	log, _, sink, _ := loopback(t, o, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 400 {
		log.Append(roomEvent("room" + string(rune('a'+i%20))))
	}
	all, err := sink.Wait(ctx, 400)
	if err != nil {
		t.Fatal(err)
	}
	conns := make(map[string]bool)
	for _, d := range all {
		conns[d.Remote] = true
	}
	// A request may get a connection that has become idle while one is still being
	// made for it, which then is spare (net/http.Transport).
	if len(conns) > 2*4 {
		t.Errorf("%d connections for 400 requests, 4 at a time", len(conns))
	}
}
