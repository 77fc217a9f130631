package httpapi

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/stack"
)

// NewServer returns the HTTP server for handler, with bounds that suit long
// lived WebSockets and streams: there is none on a whole request, because
// handlers set those of their own.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// Tokens travel in headers and queries, and may carry much metadata.
		MaxHeaderBytes: 1 << 20,
		// What it logs is what clients do wrong below HTTP.
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		// A request goes deep, and by then there is much to copy.
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateActive {
				stack.ReserveSome()
			}
		},
	}
}
