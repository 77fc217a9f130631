package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-rtc/rollcall/event"
)

// Log is eventlog.Log, for those who read it.
type Log interface {
	Last() uint64
	Wait(ctx context.Context, after uint64) error
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
}

// Follow reads the log from now on, to know when events are durable.
func (t *Tracer) Follow(log Log) {
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	after := log.Last()
	t.reading.Go(func() {
		for {
			if err := log.Wait(ctx, after); err != nil {
				return // the end, of the log or of us
			}
			records, err := log.Read(ctx, after, 256)
			for i := range records {
				after = records[i].Seq
				t.committed(&records[i])
			}
			if err != nil && len(records) == 0 {
				if ctx.Err() == nil {
					t.log.Warn("tracing reads no more events", "error", err)
				}
				return
			}
		}
	})
}

func (t *Tracer) committed(r *event.Record) {
	if r.Name != event.ParticipantJoined {
		return
	}
	if j := t.joinOf(r.ParticipantSID); j != nil {
		j.mu.Lock()
		if s := j.spans[spanCommit]; s != nil {
			s.SetAttributes(attribute.String("rollcall.event_id", r.ID), attribute.Int64("rollcall.seq", int64(r.Seq)))
			delete(j.spans, spanCommit)
			s.End(trace.WithTimestamp(r.Committed))
		}
		j.mu.Unlock()
	}
}

// Webhook begins an attempt at an endpoint, in the trace of the join of the
// participant that the event is about, and puts it into the headers. done says
// how it ended: with the status of the answer, or an error.
func (t *Tracer) Webhook(ctx context.Context, endpoint string, attempt int, r *event.Record, h http.Header) (done func(status int, err error)) {
	if j := t.joinOf(r.ParticipantSID); j != nil {
		ctx = trace.ContextWithSpanContext(ctx, j.root.SpanContext())
	}
	ctx, span := t.tracer.Start(ctx, "webhook "+string(r.Name), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("rollcall.endpoint", endpoint), attribute.Int("rollcall.attempt", attempt),
		attribute.String("rollcall.event", string(r.Name)), attribute.String("rollcall.event_id", r.ID), attribute.Int64("rollcall.seq", int64(r.Seq)),
		attribute.String("rollcall.room", r.Room),
	))
	propagator.Inject(ctx, propagation.HeaderCarrier(h))
	return func(status int, err error) {
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		switch {
		case err != nil:
			span.SetStatus(codes.Error, err.Error())
		case status < 200 || status > 299:
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
	}
}
