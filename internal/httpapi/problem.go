package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// problem is an error of the API beside Twirp: what its caller is told.
type problem struct {
	status int
	code   string // one of Twirp's words
	text   string // says what to do
}

func (p *problem) Error() string { return p.text }

func problemf(status int, code, format string, args ...any) error {
	return &problem{status, code, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return problemf(http.StatusBadRequest, "invalid_argument", format, args...)
}

func notFound(format string, args ...any) error {
	return problemf(http.StatusNotFound, "not_found", format, args...)
}

// expired is the answer to a cursor whose next event has left the log.
type expired struct {
	after, earliest uint64
}

func (e *expired) Error() string {
	return fmt.Sprintf("the events after %d have left the log, whose earliest is %d: go on with after=%d and take the state of rooms from /rooms/{room}/state, or raise the retention",
		e.after, e.earliest, e.earliest-1)
}

// errorAnswer maps what a route returned to a status and a code.
type errorAnswer struct {
	logger *slog.Logger
}

func (a errorAnswer) handler(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			a.answer(w, r, err)
		}
	})
}

func (a errorAnswer) answer(w http.ResponseWriter, r *http.Request, err error) {
	if gone, ok := errors.AsType[*expired](err); ok {
		writeJSON(w, http.StatusGone, struct {
			Code     string `json:"code"`
			Message  string `json:"message"`
			Earliest uint64 `json:"earliest"`
		}{"out_of_range", gone.Error(), gone.earliest})
		return
	}
	if _, ok := errors.AsType[*tooOften](err); ok {
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusTooManyRequests, "resource_exhausted", err.Error())
		return
	}
	status, code, text := a.translate(r, err)
	refuse(w, r, status, code, text)
}

// told are errors whose text a caller may see.
var told = []struct {
	err    error
	status int
	code   string
}{
	{token.ErrGrant, http.StatusForbidden, "permission_denied"},
	{token.ErrNoRoom, http.StatusForbidden, "permission_denied"},
	{delivery.ErrUnknownEndpoint, http.StatusNotFound, "not_found"},
	{delivery.ErrUnknownEvent, http.StatusNotFound, "not_found"},
	{delivery.ErrUnknownRecovery, http.StatusNotFound, "not_found"},
	{delivery.ErrUnknownDeadLetter, http.StatusNotFound, "not_found"},
	{delivery.ErrReadOnly, http.StatusConflict, "failed_precondition"},
	{delivery.ErrUnusable, http.StatusConflict, "failed_precondition"},
	{delivery.ErrEndpoint, http.StatusBadRequest, "invalid_argument"},
	{delivery.ErrRecover, http.StatusBadRequest, "invalid_argument"},
	{delivery.ErrBlockedAddress, http.StatusBadRequest, "invalid_argument"},
	{delivery.ErrClosed, http.StatusServiceUnavailable, "unavailable"},
}

func (a errorAnswer) translate(r *http.Request, err error) (status int, code, text string) {
	if p, ok := errors.AsType[*problem](err); ok {
		return p.status, p.code, p.text
	}
	for _, t := range told {
		if errors.Is(err, t.err) {
			return t.status, t.code, err.Error()
		}
	}
	if c, ok := errors.AsType[coded](err); ok {
		if word := twirp.ErrorCode(c.ErrorCode()); word != twirp.Internal && twirp.IsValidErrorCode(word) {
			return twirp.ServerHTTPStatusFromErrorCode(word), string(word), c.Error()
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "deadline_exceeded", "the server did not do it in time; try again"
	case errors.Is(err, context.Canceled):
		return http.StatusRequestTimeout, "canceled", "the request was canceled"
	}
	a.logger.ErrorContext(r.Context(), "http api", "method", r.Method, "path", r.URL.Path, "error", err)
	return http.StatusInternalServerError, "internal", "internal error"
}
