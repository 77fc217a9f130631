package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options configure a Tracer. The variables of OpenTelemetry (OTEL_…) hold for
// what is not here, and Endpoint goes before theirs.
type Options struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318; empty: as the variables say.
	Endpoint string
	Version  string
	Logger   *slog.Logger
}

// Tracer makes spans. Its methods may be called from anywhere.
type Tracer struct {
	provider *sdk.TracerProvider // immutable
	tracer   trace.Tracer        // immutable
	log      *slog.Logger        // immutable

	mu    sync.Mutex
	joins map[string]*Join // mu guards; by participant sid
	order []string         // mu guards; of joins, oldest first

	reading sync.WaitGroup
	stop    context.CancelFunc
}

// maxJoins is how many participants are remembered, for their events.
const maxJoins = 10_000

var propagator = propagation.TraceContext{}

// New returns a Tracer. A collector that does not answer is no error: what it
// does not take is lost.
func New(ctx context.Context, o Options) (*Tracer, error) {
	var exporting []otlptracehttp.Option
	if o.Endpoint != "" {
		exporting = append(exporting, otlptracehttp.WithEndpointURL(tracesURL(o.Endpoint)))
	}
	exporter, err := otlptracehttp.New(ctx, exporting...)
	if err != nil {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "rollcall"), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv(),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	// The only place where the SDK says that a collector does not answer.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("tracing", "error", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{
		provider: provider, tracer: provider.Tracer("github.com/rollcall-rtc/rollcall"), log: o.Logger,
		joins: make(map[string]*Join), stop: func() {},
	}, nil
}

// Close ends what Follow began and sends what is left, within ctx.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	t.stop()
	t.reading.Wait()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("traces of the last moment are lost", "error", err)
	}
	return nil
}

// remember makes a join that of a participant.
func (t *Tracer) remember(sid string, j *Join) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.joins[sid] = j
	if t.order = append(t.order, sid); len(t.order) > maxJoins {
		delete(t.joins, t.order[0])
		t.order = t.order[1:]
	}
}

// joinOf returns the join of a participant, nil if none is remembered.
func (t *Tracer) joinOf(sid string) *Join {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.joins[sid]
}
