package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/figures"
)

// lookFunc looks once; nil is nothing new.
type lookFunc func(ctx context.Context) (any, error)

// wantsStream says that the caller asked for a look a second.
func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// answer sends a look or, to who asked for a stream, one a second.
func (h *statsAPI) answer(w http.ResponseWriter, r *http.Request, event string, look lookFunc) error {
	if wantsStream(r) {
		return h.stream(w, r, event, look)
	}
	out, err := look(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, out)
	return nil
}

// stream sends looks until the client is gone or the server drains.
func (h *statsAPI) stream(w http.ResponseWriter, r *http.Request, event string, look lookFunc) error {
	ctx, stop := untilClosed(r.Context(), h.draining)
	defer stop()
	out, err := look(ctx)
	if err != nil {
		return err // as an answer: nothing is sent yet
	}
	s := &eventStream{w: w, rc: http.NewResponseController(w)}
	if r.Method == http.MethodHead {
		s.head()
		return nil // it has no end to wait for
	}
	defer func() { _ = s.rc.SetWriteDeadline(time.Time{}) }()
	if err := s.open(); err != nil {
		return nil // the client is gone
	}
	tick := time.NewTicker(figures.Interval)
	defer tick.Stop()
	for {
		switch {
		case out != nil:
			body, err := json.Marshal(out)
			if err != nil {
				panic("BUG: encode figures: " + err.Error())
			}
			s.buf = append(s.buf, "event: "...)
			s.buf = append(append(append(s.buf, event...), "\ndata: "...), body...)
			s.buf = append(s.buf, "\n\n"...)
			err = s.flush()
			if err != nil {
				return nil
			}
		case time.Since(s.written) >= keepAlive:
			if err := s.keepAlive(); err != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if out, err = look(ctx); err != nil {
			// The headers are gone: the client sees the end of the stream, comes
			// again and is told then.
			return nil
		}
	}
}

// sleep waits for d.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
