package tracing

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Join is the trace of one participant. Its methods may be called from anywhere,
// and in any order; a stage that is over is not told again.
//
//	join                    the request to the transport being up, or to the end
//	├─ signal               the request to the answer
//	├─ ice                  being let in to packets going both ways
//	├─ first media          being let in to the first track
//	├─ event committed      participant_joined to its being durable
//	└─ webhook …            each attempt at each endpoint, of each of its events
type Join struct {
	tracer *Tracer
	ctx    context.Context // of the root span
	root   trace.Span

	mu    sync.Mutex
	spans map[string]trace.Span // mu guards; open, by name
	seen  map[string]bool       // mu guards
}

// The spans of a join.
const (
	spanJoin   = "join"
	spanSignal = "signal"
	spanICE    = "ice"
	spanMedia  = "first media"
	spanCommit = "event committed"
)

// Join begins the trace of a request to join, in the one that the request says it
// is of: by header, or for browsers, which cannot set one on a WebSocket, by the
// query parameter of the same name.
func (t *Tracer) Join(r *http.Request, room, identity string) *Join {
	carrier := propagation.HeaderCarrier(r.Header)
	if parent := r.URL.Query().Get("traceparent"); carrier.Get("traceparent") == "" && parent != "" {
		carrier = propagation.HeaderCarrier{"Traceparent": {parent}, "Tracestate": {r.URL.Query().Get("tracestate")}}
	}
	// The values of the request, but not its end.
	ctx := propagator.Extract(context.WithoutCancel(r.Context()), carrier)
	j := &Join{tracer: t, spans: make(map[string]trace.Span), seen: make(map[string]bool)}
	j.ctx, j.root = t.tracer.Start(ctx, spanJoin, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("rollcall.room", room), attribute.String("rollcall.participant", identity),
	))
	j.begin(spanSignal)
	return j
}

func (j *Join) begin(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen[name] {
		return
	}
	j.seen[name] = true
	_, j.spans[name] = j.tracer.tracer.Start(j.ctx, name)
}

// end ends a span, with an error if why is not empty.
func (j *Join) end(name, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.spans[name]; s != nil {
		delete(j.spans, name)
		if why != "" {
			s.SetStatus(codes.Error, why)
		}
		s.End()
	}
}

// Refused says that the client was not let in.
func (j *Join) Refused(err error) {
	j.end(spanSignal, err.Error())
	j.root.SetStatus(codes.Error, err.Error())
	j.root.End()
}

// Answered says that the client has its answer.
func (j *Join) Answered() { j.end(spanSignal, "") }

// Accepted says that the client was let in, as the participant with that sid in
// that room session.
func (j *Join) Accepted(roomSID, sid string) {
	j.tracer.remember(sid, j)
	j.root.SetAttributes(attribute.String("rollcall.room_sid", roomSID), attribute.String("rollcall.participant_sid", sid))
	j.begin(spanICE)
	j.begin(spanMedia)
}

// Reachable says that packets go both ways.
func (j *Join) Reachable() { j.end(spanICE, "") }

// Joined says that the transport is up.
func (j *Join) Joined() {
	j.end(spanICE, "")
	j.begin(spanCommit)
	j.root.End()
}

// FirstMedia says that a first track is published or received.
func (j *Join) FirstMedia() { j.end(spanMedia, "") }

// Gone says that the session has ended, and why. What it never came to is not
// told as if it had taken so long.
func (j *Join) Gone(joined bool, reason string) {
	why := ""
	if !joined {
		why = strings.ToLower(reason)
		j.root.SetStatus(codes.Error, why)
		j.root.End()
	}
	j.end(spanICE, why)
	j.mu.Lock()
	delete(j.spans, spanMedia)
	j.mu.Unlock()
}
