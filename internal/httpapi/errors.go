package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// What is wrong with a request that brings no token.
var (
	errNoToken   = errors.New("no access token: send the header Authorization: Bearer <token>, or access_token in the query")
	errNotBearer = errors.New(`header Authorization does not begin with "Bearer "`)
)

// errClientGone ends a stream whose client has left, or accepts nothing.
var errClientGone = errors.New("client is gone")

// coded is a refusal by rooms; see Rooms.
type coded interface {
	error
	ErrorCode() string
}

// twirpError maps what a call returned to what its caller is told.
func twirpError(ctx context.Context, logger *slog.Logger, err error) twirp.Error {
	if te, ok := errors.AsType[twirp.Error](err); ok {
		return te
	}
	if c, ok := errors.AsType[coded](err); ok {
		if code := twirp.ErrorCode(c.ErrorCode()); code != twirp.NoError && twirp.IsValidErrorCode(code) {
			if twirp.ServerHTTPStatusFromErrorCode(code) == http.StatusInternalServerError {
				logger.ErrorContext(ctx, "room service", "error", err)
			}
			return twirp.NewError(code, c.Error())
		}
	}
	switch {
	case errors.Is(err, token.ErrNoRoom):
		return twirp.InvalidArgumentError("room", "is required")
	case errors.Is(err, token.ErrGrant):
		// Not permission_denied: callers know the reference server's word.
		return twirp.NewError(twirp.Unauthenticated, err.Error())
	case errors.Is(err, context.Canceled):
		return twirp.NewError(twirp.Canceled, "the request was canceled")
	case errors.Is(err, context.DeadlineExceeded):
		return twirp.NewError(twirp.DeadlineExceeded, "the room did not answer in time")
	default:
		logger.ErrorContext(ctx, "room service", "error", err)
		return twirp.InternalError("internal error")
	}
}

// refuse answers with an error, in the shape that the path's callers parse.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	if strings.HasPrefix(r.URL.Path, "/twirp/") {
		writeJSON(w, status, struct {
			Code string `json:"code"`
			Msg  string `json:"msg"`
		}{code, text})
		return
	}
	writeJSON(w, status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, text})
}

// refuseMethod answers a method that the path does not have.
func refuseMethod(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	refuse(w, r, http.StatusMethodNotAllowed, "invalid_argument", "this path allows "+allowed)
}

// writeJSON answers with v. The content type is exactly this one: the Node SDK
// compares it to decide whether an error can be read.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // a record's body is to be the bytes that are signed
	if err := enc.Encode(v); err != nil {
		panic("BUG: encode response: " + err.Error())
	}
	writeBody(w, status, body.Bytes())
}

// writeBody answers with JSON that is made already.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client is gone
}
