package server

import (
	"net/http"

	"github.com/rollcall-rtc/rollcall/internal/signal"
)

// traceJoins begins the traces of joins; nil if nothing is traced.
func (s *Server) traceJoins() func(*http.Request, string, string) signal.Trace {
	if s.tracer == nil {
		return nil
	}
	return func(r *http.Request, room, identity string) signal.Trace { return s.tracer.Join(r, room, identity) }
}
