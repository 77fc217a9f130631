package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// traces takes OTLP over HTTP, as a collector does.
type traces struct {
	t     *testing.T
	mu    sync.Mutex
	spans []*otlp.Span // mu guards
	from  []string     // mu guards; names of services
}

func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				c.from = append(c.from, a.Value.GetStringValue())
			}
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// of returns the spans of a trace by name.
func (c *traces) of(trace string) map[string]*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]*otlp.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			spans[s.Name] = s
		}
	}
	return spans
}

func newCollector(t *testing.T) (*traces, string) {
	c := &traces{t: t}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.URL
}

func attributeOf(s *otlp.Span, name string) string {
	for _, a := range s.Attributes {
		if a.Key == name {
			return strings.TrimSpace(a.Value.GetStringValue() + " " + fmt.Sprint(a.Value.GetIntValue()))
		}
	}
	return ""
}

func TestAJoinIsTracedUntilItsWebhookIsAccepted(t *testing.T) {
	c, at := newCollector(t)
	sink, receiver := newSink(t)
	cfg := configure(t, t.TempDir(), fmt.Sprintf("tracing: {endpoint: '%s'}\nwebhook: {endpoints: [{id: crm, url: '%s', api_key: %s}]}", at, receiver.URL, key))
	cfg.Tracing.Enabled = true
	s := start(t, cfg)

	// What the application's own trace is, as a proxy in front of the server puts it
	// into the request.
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	front := httptest.NewServer(traced(t, s, "00-"+trace+"-"+parent+"-01"))
	t.Cleanup(front.Close)
	heard := make(chan struct{}, 1)
	listener := enterAt(t, front.URL, "listener", func(r *client.Room) {
		client.On(r, func(client.TrackSubscribed) { heard <- struct{}{} })
	})
	speaker := enter(t, s, "speaker", nil)
	speak(t, speaker, "the track is subscribed to", func() bool { return len(heard) > 0 })
	leave(listener)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	all, err := sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool { return slices.Contains(names(all), "participant_left") })
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s) // sends what is left

	spans := c.of(trace)
	root := spans["join"]
	if root == nil || hex.EncodeToString(root.ParentSpanId) != parent || root.Kind != otlp.Span_SPAN_KIND_SERVER {
		t.Fatalf("the join is %v, want one of the request's trace", root)
	}
	if got := attributeOf(root, "rollcall.participant"); !strings.HasPrefix(got, "listener") {
		t.Errorf("it is of %q", got)
	}
	for _, name := range []string{"signal", "ice", "first media", "event committed", "webhook participant_joined", "webhook participant_left"} {
		span := spans[name]
		if span == nil {
			t.Errorf("no span %q", name)
			continue
		}
		if string(span.ParentSpanId) != string(root.SpanId) {
			t.Errorf("%q is not of the join", name)
		}
		if span.EndTimeUnixNano < span.StartTimeUnixNano || span.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
			t.Errorf("%q went from %d to %d, %v", name, span.StartTimeUnixNano, span.EndTimeUnixNano, span.Status)
		}
	}
	if hook := spans["webhook participant_joined"]; hook != nil {
		if attributeOf(hook, "rollcall.endpoint") != "crm 0" || attributeOf(hook, "http.response.status_code") != "200" {
			t.Errorf("attributes %v", hook.Attributes)
		}
		// The receiver got the span of its own request.
		want := fmt.Sprintf("00-%s-%x-01", trace, hook.SpanId)
		for _, d := range all {
			if d.Name() == "participant_joined" && d.Event.GetParticipant().GetIdentity() == "listener" && d.Header.Get("traceparent") != want {
				t.Errorf("traceparent %q, want %q", d.Header.Get("traceparent"), want)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.from) == 0 || c.from[0] != "rollcall" {
		t.Errorf("service.name %v", c.from)
	}
}

func TestARefusedJoinIsAnErrorInItsTrace(t *testing.T) {
	c, at := newCollector(t)
	cfg := configure(t, t.TempDir(), fmt.Sprintf("room: {auto_create: false}\ntracing: {endpoint: '%s'}", at))
	cfg.Tracing.Enabled = true
	s := start(t, cfg)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	raw, err := token.Mint(key, secret, &token.Claims{Identity: "ana", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", "http://"+s.Addr().String()+"/rtc?protocol=16&access_token="+raw+"&traceparent=00-"+trace+"-b7ad6b7169203331-01", nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop(t, s)
	if root := c.of(trace)["join"]; resp.StatusCode != http.StatusNotFound || root == nil || root.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("answered %d, traced %v", resp.StatusCode, root)
	}
}

func TestNothingIsTracedUnlessAsked(t *testing.T) {
	sink, receiver := newSink(t)
	cfg := configure(t, t.TempDir(), fmt.Sprintf("webhook: {api_key: %s, urls: ['%s']}", key, receiver.URL))
	if cfg.Tracing != (config.Tracing{}) {
		t.Fatalf("tracing is %+v", cfg.Tracing)
	}
	s := start(t, cfg)
	dial(t, s, "ana")
	stop(t, s)
	if s.tracer != nil {
		t.Error("there is a tracer")
	}
	for _, d := range sink.Accepted() {
		if h := d.Header.Get("traceparent"); h != "" {
			t.Errorf("%s has traceparent %s", d.Name(), h)
		}
	}
}

// traced is a proxy in front of s that puts requests into a trace.
func traced(t *testing.T, s *Server, parent string) http.Handler {
	t.Helper()
	to, err := url.Parse("http://" + s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header.Set("traceparent", parent)
	}}
}
