package whip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/source"
	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Rooms is where sessions publish; *room.Registry does.
type Rooms interface {
	Join(ctx context.Context, req *room.Join, sink room.Sink) (*room.Participant, error)
	Resume(ctx context.Context, req *room.Join, sid string, sink room.Sink) (*room.Participant, error)
}

// Backstage is rooms in which what is published can be listened to; *room.Registry is.
type Backstage interface {
	Rooms
	Observe(ctx context.Context, room string, tell func(room.Change)) (*room.Watch, error)
	Tap(ctx context.Context, room, trackSID string, onEnd func()) (*room.Tap, error)
}

// Ingress admits sources by their stream keys; *ingress.Service does.
type Ingress interface {
	Admit(src ingress.Source) (*ingress.Session, error)
}

// Options configure a Handler. All but Site, Backstage and Encoder are required.
type Options struct {
	Rooms   Rooms
	Ingress Ingress
	Keys    token.Keys
	Logger  *slog.Logger
	// Backstage is where clients are whose media is encoded anew: nobody sees its rooms,
	// and no event is of them. Encoder has that done. Nil: endpoints that ask for it are
	// refused.
	Backstage Backstage
	Encoder   *source.Encoder
	// Site is what a request's address counts as; nil: none is limited.
	Site func(r *http.Request) netip.Addr
}

// Handler serves /w and /whip/v1, and what is below them.
type Handler struct {
	opts  Options // immutable
	mux   *http.ServeMux
	joins *rate.Keyed[netip.Addr]

	mu       sync.Mutex
	closing  bool                // mu guards
	draining bool                // mu guards
	sessions map[string]*session // mu guards; by id
	running  sync.WaitGroup
}

const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
	// joinRate is how many sessions of tokens an address may begin a second, and
	// joinBurst how many at once.
	joinRate, joinBurst = 20, 200
)

// NewHandler returns a Handler without sessions.
func NewHandler(o Options) *Handler {
	h := &Handler{
		opts: o, mux: http.NewServeMux(), sessions: make(map[string]*session),
		joins: rate.NewKeyed[netip.Addr](joinRate, joinBurst),
	}
	for _, path := range []string{"/w", "/w/{key}"} {
		h.mux.HandleFunc("POST "+path, h.publishWithKey)
		h.mux.HandleFunc("OPTIONS "+path, options)
	}
	h.mux.HandleFunc("POST /whip/v1", h.publishWithToken)
	h.mux.HandleFunc("OPTIONS /whip/v1", options)
	for _, path := range []string{"/w/session/{id}", "/whip/v1/{id}"} {
		h.mux.HandleFunc("PATCH "+path, h.patch)
		h.mux.HandleFunc("DELETE "+path, h.delete)
		h.mux.HandleFunc("OPTIONS "+path, options)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// options says what may be sent (RFC 9725 §4.1).
func options(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Accept-Post", typeSDP)
	w.Header().Set("Accept-Patch", typeFragment)
	w.WriteHeader(http.StatusNoContent)
}

// refusal is an error with the status that it is answered with.
type refusal struct {
	status int
	msg    string
}

func (e *refusal) Error() string { return e.msg }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// publishWithKey begins the session of an ingress endpoint.
func (h *Handler) publishWithKey(w http.ResponseWriter, r *http.Request) {
	secret := bearer(r)
	key := r.PathValue("key")
	if key == "" {
		key = secret
	}
	h.answer(w, r, "/w/session/", func() (*session, error) {
		body, err := readBody(w, r, typeSDP, maxOffer)
		if err != nil {
			return nil, err
		}
		// What is wrong with an offer is said before the key is looked at: nothing of
		// the endpoint changes for it.
		if _, err := parseOffer(body, naming{}); err != nil {
			return nil, refuse(http.StatusBadRequest, "%s", err)
		}
		if key == "" {
			return nil, refuse(http.StatusUnauthorized, "a stream key is required, in the Authorization header or at the end of the path")
		}
		in, err := h.opts.Ingress.Admit(ingress.Source{Key: key, Input: livekit.IngressInput_WHIP_INPUT, From: h.site(r)})
		if err != nil {
			return nil, err
		}
		info := in.Info()
		if err := h.mayEncode(r.Context(), info); err != nil {
			in.End(err)
			return nil, err
		}
		o, err := parseOffer(body, naming{
			audioName: info.Audio.GetName(), audioSource: info.Audio.GetSource(),
			videoName: info.Video.GetName(), videoSource: info.Video.GetSource(),
		})
		if err != nil {
			in.End(err)
			return nil, refuse(http.StatusBadRequest, "%s", err)
		}
		return newSession(h, in.JoinRequest(), o, secret, in), nil
	})
}

// mayEncode says why what the endpoint asks for cannot be encoded.
func (h *Handler) mayEncode(ctx context.Context, info *livekit.IngressInfo) error {
	switch {
	case !info.GetEnableTranscoding():
		return nil
	case h.opts.Backstage == nil || h.opts.Encoder == nil:
		return refuse(http.StatusNotImplemented, "this server does not encode what comes by WHIP")
	}
	if err := h.opts.Encoder.Ready(ctx, info.Video); err != nil {
		return refuse(http.StatusServiceUnavailable, "%s", err)
	}
	return nil
}

// publishWithToken begins the session of who may join a room.
func (h *Handler) publishWithToken(w http.ResponseWriter, r *http.Request) {
	secret := bearer(r)
	h.answer(w, r, "/whip/v1/", func() (*session, error) {
		if from := h.site(r); from.IsValid() && !h.joins.Take(from, time.Now()) {
			return nil, refuse(http.StatusTooManyRequests, "too many sessions from this address")
		}
		join, err := h.joinOf(secret)
		if err != nil {
			return nil, err
		}
		body, err := readBody(w, r, typeSDP, maxOffer)
		if err != nil {
			return nil, err
		}
		o, err := parseOffer(body, naming{})
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "%s", err)
		}
		return newSession(h, join, o, secret, nil), nil
	})
}

// joinOf is what a token asks for.
func (h *Handler) joinOf(raw string) (*room.Join, error) {
	if raw == "" {
		return nil, refuse(http.StatusUnauthorized, "a token is required, in the Authorization header")
	}
	claims, err := token.Verify(raw, h.opts.Keys, time.Now())
	if err != nil {
		return nil, refuse(http.StatusUnauthorized, "invalid token: %s", err)
	}
	name, err := claims.CanJoin("")
	switch permission := claims.Permission(); {
	case errors.Is(err, token.ErrNoIdentity), errors.Is(err, token.ErrNoRoom):
		return nil, refuse(http.StatusBadRequest, "%s", err)
	case err != nil:
		return nil, refuse(http.StatusUnauthorized, "%s", err)
	case !permission.CanPublish:
		return nil, refuse(http.StatusForbidden, "the token does not allow publishing")
	}
	return &room.Join{
		Room: name, Identity: claims.Identity, Name: claims.Name, Metadata: claims.Metadata, Attributes: claims.Attributes,
		Kind: claims.Kind, KindDetails: claims.KindDetails, Permission: claims.Permission(), TokenFrom: claims.MadeAt(), TokenUntil: claims.ExpiresAt,
		MayCreate: claims.CanCreateRoom() == nil, RoomConfig: claims.RoomConfig, RoomPreset: claims.RoomPreset,
	}, nil
}

// answer begins a session, and answers the request with it (RFC 9725 §4.2).
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, at string, open func() (*session, error)) {
	s, err := open()
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if !h.enter(s) {
		s.end(room.ErrStopping)
		h.refuse(w, r, room.ErrStopping)
		return
	}
	text, err := s.begin(r.Context())
	if err != nil {
		h.leave(s)
		cause := err
		if r.Context().Err() != nil {
			cause = nil // the client hung up
		}
		s.end(cause)
		h.running.Done()
		h.refuse(w, r, err)
		return
	}
	go func() {
		defer h.running.Done()
		defer h.leave(s)
		s.run()
	}()
	header := w.Header()
	header.Set("Content-Type", typeSDP)
	header.Set("Location", at+s.id)
	header.Set("ETag", s.etag)
	header.Set("Accept-Patch", typeFragment)
	for _, link := range s.links() {
		header.Add("Link", link)
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, text)
}

// patch takes candidates, or begins a new ICE session (RFC 9725 §4.3).
func (h *Handler) patch(w http.ResponseWriter, r *http.Request) {
	s, err := h.find(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	body, err := readBody(w, r, typeFragment, maxFragment)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	f, err := parseFragment(body)
	if err != nil {
		h.refuse(w, r, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	s.mu.Lock()
	ufrag, etag, restarted := s.offer.ufrag, s.etag, s.restarted != ""
	s.mu.Unlock()
	match := r.Header.Get("If-Match")
	again := restarted && match == "*" && f.pwd != "" // its answer may have been lost
	switch restart := f.ufrag != "" && (f.ufrag != ufrag || again); {
	case match != "" && match != "*" && match != etag:
		h.refuse(w, r, refuse(http.StatusPreconditionFailed, "If-Match names another ICE session"))
	case restart && match != "*" && match != "":
		h.refuse(w, r, refuse(http.StatusPreconditionFailed, "ice-ufrag is of another ICE session: a restart needs If-Match: *"))
	case restart && f.pwd == "":
		h.refuse(w, r, refuse(http.StatusBadRequest, "an ICE restart needs ice-pwd"))
	case restart:
		text, etag, err := s.restart(r.Context(), f)
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", typeFragment)
		w.Header().Set("ETag", etag)
		_, _ = io.WriteString(w, text)
	default:
		s.trickle(f)
		w.WriteHeader(http.StatusNoContent)
	}
}

// delete ends a session (RFC 9725 §4.4).
func (h *Handler) delete(w http.ResponseWriter, r *http.Request) {
	s, err := h.find(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.leave(s)
	s.end(nil)
	w.WriteHeader(http.StatusOK)
}

// find returns the session of the request's path.
func (h *Handler) find(r *http.Request) (*session, error) {
	h.mu.Lock()
	s := h.sessions[r.PathValue("id")]
	h.mu.Unlock()
	if s == nil {
		return nil, refuse(http.StatusNotFound, "there is no such session, or it is over")
	}
	if !s.allows(bearer(r)) {
		return nil, refuse(http.StatusUnauthorized, "the session was begun with another key or token")
	}
	return s, nil
}

// bearer is what the Authorization header carries, with the word Bearer or without.
func bearer(r *http.Request) string {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, rest, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return header
}

func (h *Handler) site(r *http.Request) netip.Addr {
	if h.opts.Site == nil {
		return netip.Addr{}
	}
	return h.opts.Site(r)
}

// readBody reads what a request carries.
func readBody(w http.ResponseWriter, r *http.Request, want string, limit int64) (string, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		return "", refuse(http.StatusUnsupportedMediaType, "the content type must be %s", want)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", limit)
	}
	if err != nil {
		return "", refuse(http.StatusBadRequest, "the body could not be read")
	}
	return string(body), nil
}

// refuse answers with what is wrong, in words for people.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		h.opts.Logger.ErrorContext(r.Context(), "whip", "error", err)
		err = errors.New("internal error")
	} else {
		h.opts.Logger.Info("encoder refused", "status", status, "reason", err.Error(), "remote", r.RemoteAddr)
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(w, err.Error(), status)
}

// coded is a refusal of the room's or of the ingress's.
type coded interface{ ErrorCode() string }

func statusOf(err error) int {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status
	}
	switch {
	case errors.Is(err, errRefused):
		return http.StatusNotAcceptable
	case errors.Is(err, errGone):
		return http.StatusNotFound
	case errors.Is(err, errPatience), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	var c coded
	if !errors.As(err, &c) {
		return http.StatusInternalServerError
	}
	switch c.ErrorCode() {
	case "unauthenticated":
		return http.StatusUnauthorized
	case "permission_denied":
		return http.StatusForbidden
	case "not_found":
		return http.StatusNotFound
	case "invalid_argument":
		return http.StatusBadRequest
	case "already_exists", "failed_precondition", "aborted":
		return http.StatusConflict
	case "resource_exhausted":
		return http.StatusTooManyRequests
	case "unavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// enter keeps a session, unless the handler is closing.
func (h *Handler) enter(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.draining {
		return false
	}
	h.sessions[s.id] = s
	h.running.Add(1)
	return true
}

func (h *Handler) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s.id)
}

// Drain lets no more encoders in that have a token. Ingress is asked about the
// others.
func (h *Handler) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Close lets nobody in any more, and returns when the sessions are over, or with
// ctx. Close the rooms before it.
func (h *Handler) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
