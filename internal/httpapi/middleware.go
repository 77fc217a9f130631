package httpapi

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	// maxBody is the longest request body that is read.
	maxBody = 10 << 20
	// bodyTimeout is how long a client may take to send it.
	bodyTimeout = 30 * time.Second
)

// statusWriter remembers what was answered. The rest of net/http's
// ResponseController goes through Unwrap.
type statusWriter struct {
	http.ResponseWriter
	status int // 0: nothing is written yet
}

func (w *statusWriter) WriteHeader(status int) {
	// 1xx responses precede the real one, but 101 is final.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Flush is for the code that asserts http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack is for what becomes another protocol: whoever takes the connection answers
// by itself.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logAccess logs each request when it is over, without what it tells in secret.
func logAccess(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if !logger.Enabled(r.Context(), slog.LevelDebug) {
				return
			}
			ctx := context.WithoutCancel(r.Context())
			status := sw.status
			if status == 0 {
				status = http.StatusOK
			}
			logger.LogAttrs(ctx, slog.LevelDebug, "http request",
				slog.String("method", r.Method),
				slog.String("path", publicPath(r.URL)),
				slog.String("query", publicQuery(r.URL)),
				slog.Int("status", status),
				slog.Duration("took", time.Since(start)),
				slog.String("remote", r.RemoteAddr),
			)
		}()
		next.ServeHTTP(sw, r)
	})
}

// publicPath is u's path without what admits: the stream keys and sessions of WHIP.
func publicPath(u *url.URL) string {
	clean := path.Clean("/" + u.Path) // as it is served, see oneLeadingSlash
	for _, prefix := range []string{"/w/", "/whip/v1/"} {
		if strings.HasPrefix(clean, prefix) {
			return prefix + "-"
		}
	}
	return u.Path
}

// publicQuery is u's query without the values that must not be logged: tokens,
// and the join request, which may hold keys of the client's connection.
func publicQuery(u *url.URL) string {
	query := u.Query()
	for _, name := range []string{"access_token", "join_request", "signature"} {
		if query.Has(name) {
			query.Set(name, "-")
		}
	}
	return query.Encode()
}

// recoverPanics answers 500 when a handler panics, and keeps why to the log.
func recoverPanics(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			logger.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelError, "BUG: http handler panics",
				slog.String("method", r.Method),
				slog.String("path", publicPath(r.URL)),
				slog.Any("panic", cause),
				slog.String("stack", string(debug.Stack())),
			)
			if sw, ok := w.(*statusWriter); ok && sw.status != 0 {
				// The client must not take what it has got for the whole.
				panic(http.ErrAbortHandler)
			}
			refuse(w, r, http.StatusInternalServerError, "internal", "internal error")
		}()
		next.ServeHTTP(w, r)
	})
}

// oneLeadingSlash makes //rtc and the like /rtc: SDKs append their path to a
// URL that may end in a slash.
func oneLeadingSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "//") {
			u := *r.URL
			u.Path = "/" + strings.TrimLeft(u.Path, "/")
			u.RawPath = "" // no path of ours needs escapes
			trimmed := *r
			trimmed.URL = &u
			r = &trimmed
		}
		next.ServeHTTP(w, r)
	})
}

// SignalPaths are where clients join, by a WebSocket.
var SignalPaths = []string{"/rtc", "/rtc/v1"}

// signalFirst hands clients that join to their handler at once: what is left out is for
// requests with bodies, and for answers that pages read.
func signalFirst(signal, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(SignalPaths, r.URL.Path) && r.Method == http.MethodGet && r.ContentLength == 0 && r.Header.Get("Upgrade") != "" {
			signal.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowOrigins lets pages of any origin use the API: who may is said by the
// token alone, never by a cookie. What needs no token, /dev, /debug and /metrics, stays
// with pages that this server itself served.
func allowOrigins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/dev/") || strings.HasPrefix(r.URL.Path, "/debug/") || r.URL.Path == "/metrics" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", headerSeq+", Location, ETag, Link, Accept-Patch")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, POST, PUT, PATCH, DELETE")
		// Fetch Standard §3.3.3: the wildcard does not cover Authorization, so
		// what is asked for is named.
		h.Set("Access-Control-Allow-Headers", "*")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
		h.Set("Access-Control-Max-Age", "86400")
		h.Add("Vary", "Access-Control-Request-Headers")
		if isWHIP(r.URL.Path) {
			next.ServeHTTP(w, r) // it says what it takes
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func isWHIP(path string) bool {
	return path == "/w" || strings.HasPrefix(path, "/w/") || strings.HasPrefix(path, "/whip/")
}

// limitBody bounds a request's body in length and in time.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			refuseBody(w, r)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			// Ends with the request: net/http sets a new deadline for the next. An
			// error means a writer without a connection, as in a test.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

func refuseBody(w http.ResponseWriter, r *http.Request) {
	// The rest of the body is not going to be read.
	w.Header().Set("Connection", "close")
	refuse(w, r, http.StatusRequestEntityTooLarge, "resource_exhausted", "request body is longer than 10 MiB")
}
