package signal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/outbox"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Rooms is where participants go.
type Rooms interface {
	Join(ctx context.Context, req *room.Join, sink room.Sink) (*room.Participant, error)
	Resume(ctx context.Context, req *room.Join, sid string, sink room.Sink) (*room.Participant, error)
	// CanJoin returns the error that Join would return now.
	CanJoin(ctx context.Context, req *room.Join) error
	// CanResume is the same for Resume.
	CanResume(ctx context.Context, req *room.Join, sid string) error
	// ClockOf returns what time it is by the clock with which the identity came into
	// the room, if it is there or was just now; else zero.
	ClockOf(ctx context.Context, room, identity string) time.Time
}

// Options configure a Handler. Rooms and Keys are required.
type Options struct {
	Rooms  Rooms
	Keys   token.Keys
	Logger *slog.Logger
	// PingInterval is how often an otherwise idle socket is probed, so that
	// proxies keep it and a dead one is noticed. Default 10 s.
	PingInterval time.Duration
	// Limits are of clients.
	Limits Limits
	// Trace begins the trace of a request to join; nil: nothing is traced.
	Trace func(r *http.Request, room, identity string) Trace
	// TrustedProxies are believed when they say for whom they speak. Clients at such
	// an address are not limited by it.
	TrustedProxies []netip.Prefix
}

// Trace hears how a join goes.
type Trace interface {
	room.Stages
	// Refused says that the client is not let in.
	Refused(error)
	// Answered says that the client has its answer.
	Answered()
}

// Handler serves /rtc, /rtc/v1 and /validate below each.
type Handler struct {
	opts  Options       // immutable
	gate  *gate         // immutable
	watch *outbox.Watch // immutable
	proxy sync.Once     // tells of a proxy that is not trusted
	count counters

	mu       sync.Mutex
	stopping bool                  // mu guards
	draining bool                  // mu guards
	sessions map[*session]struct{} // mu guards
	running  sync.WaitGroup
}

// NewHandler returns a Handler without connections.
func NewHandler(o Options) *Handler {
	if o.PingInterval == 0 {
		o.PingInterval = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	return &Handler{opts: o, gate: newGate(o.Limits), watch: outbox.NewWatch(o.PingInterval), sessions: make(map[*session]struct{})}
}

// maxMessage bounds one message of a client, in bytes; SDKs stay below 2 MiB.
const maxMessage = 2 << 20

// ServeHTTP answers GET /rtc and /rtc/v1 with the signal connection, and GET
// /validate below them with the status and text that they would have refused with. A browser's SDK
// cannot see the former and asks the latter for the reason, from any origin.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	validate := strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/validate")
	if !validate && !isUpgrade(r) {
		http.Error(w, "this path takes WebSocket connections", http.StatusNotFound)
		return
	}
	addr := clientAddress(r, h.opts.TrustedProxies)
	req, err := h.admit(r, addr)
	if err == nil && validate {
		err = h.check(r.Context(), req)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if validate {
		_, _ = w.Write([]byte("success"))
		return
	}
	h.connect(w, r, req)
}

// admit reads what a client wants, if it does not come too often.
func (h *Handler) admit(r *http.Request, addr netip.Addr) (*request, error) {
	now := time.Now()
	from := addr
	if contains(h.opts.TrustedProxies, addr) {
		addr = netip.Addr{} // it speaks for nobody, and is one of ours
	}
	if err := h.gate.address(addr, now); err != nil {
		h.suspectProxy(r, addr)
		return nil, err
	}
	req, err := h.parse(r, from)
	if err != nil {
		return nil, err
	}
	req.from = addr
	// Who was here a moment ago starts over. Elsewhere it would not find its room.
	if h.drains() && !req.reconnect && h.opts.Rooms.ClockOf(r.Context(), req.join.Room, req.join.Identity).IsZero() {
		return nil, room.ErrStopping
	}
	return req, h.gate.key(req.key, now)
}

// suspectProxy tells, once, of an address that is refused although it seems to bring
// the requests of many.
func (h *Handler) suspectProxy(r *http.Request, addr netip.Addr) {
	if r.Header.Get("X-Forwarded-For") == "" {
		return
	}
	h.proxy.Do(func() {
		h.opts.Logger.Warn("an address comes too often that brings requests of others: if it is a proxy of yours, add it to trusted_proxies",
			"address", addr.String())
	})
}

// check returns what connect would refuse the request with.
func (h *Handler) check(ctx context.Context, req *request) error {
	if err := h.gate.wouldEnter(req.from); err != nil {
		return err
	}
	if !req.reconnect {
		return h.opts.Rooms.CanJoin(ctx, req.join)
	}
	err := h.opts.Rooms.CanResume(ctx, req.join, req.sid)
	var gone *room.Gone
	if errors.As(err, &gone) && !gone.Final() {
		return nil // told inside the connection
	}
	return err
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// connect joins or resumes, then upgrades and runs the connection to its end.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request, req *request) {
	if err := h.gate.enter(req.from); err != nil {
		h.suspectProxy(r, req.from)
		h.refuse(w, r, err)
		return
	}
	defer h.gate.leave(req.from)
	s := newSession(h.opts.Logger.With("room", req.join.Room, "participant", req.join.Identity))
	if !h.enter(s) {
		h.refuse(w, r, room.ErrStopping)
		return
	}
	defer h.exit(s)

	var trace Trace
	if h.opts.Trace != nil && !req.reconnect {
		trace = h.opts.Trace(r, req.join.Room, req.join.Identity)
		req.join.Stages = trace
	}
	var p *room.Participant
	var err error
	if req.reconnect {
		p, err = h.opts.Rooms.Resume(r.Context(), req.join, req.sid, s)
	} else {
		p, err = h.opts.Rooms.Join(r.Context(), req.join, s)
	}
	if trace != nil && err != nil {
		trace.Refused(err)
	}
	var gone *room.Gone
	switch {
	case errors.As(err, &gone) && !gone.Final():
		// An SDK starts over when it is told so inside the connection. A final
		// farewell it would take for the same: that has to be a refusal.
		s.Send(gone.Message())
		s.Close()
	case errors.Is(err, room.ErrDuplicateIdentity) && req.join.Client.GetSdk() == livekit.ClientInfo_JS:
		// The browser's SDK knows of refusals by status either that they are for
		// good, or nothing: inside the connection it is told why, and may try again.
		h.opts.Logger.Info("client refused", "reason", err.Error(), "remote", r.RemoteAddr)
		s.Send(room.LeaveMessage(livekit.DisconnectReason_DUPLICATE_IDENTITY))
		s.Close()
	case err != nil:
		h.refuse(w, r, err)
		return
	}
	conn, err := s.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // tokens, not origins, admit a client
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		h.opts.Logger.Debug("websocket upgrade", "error", err)
		s.Abandon()
	} else {
		conn.SetReadLimit(maxMessage)
		h.count.opened.Add(1)
		if trace != nil && err == nil {
			trace.Answered()
		}
		if req.reconnect && p != nil {
			h.count.resumed.Add(1)
		}
		if !s.run(conn, p, h.watch, h.opts.Limits) {
			h.count.cutOff.Add(1)
		}
	}
	if p != nil {
		p.SignalLost(s)
	}
}

// Drain lets nobody in any more but those who come back, also with a new session.
func (h *Handler) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

func (h *Handler) drains() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

func (h *Handler) enter(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return false
	}
	h.sessions[s] = struct{}{}
	h.running.Add(1)
	return true
}

func (h *Handler) exit(s *session) {
	h.mu.Lock()
	delete(h.sessions, s)
	h.mu.Unlock()
	h.running.Done()
}

// Close refuses new connections and ends the open ones after what rooms have
// sent into them is written, or at the end of ctx. Close the rooms before it, so
// that clients are told why.
func (h *Handler) Close(ctx context.Context) error {
	h.mu.Lock()
	h.stopping = true
	open := make([]*session, 0, len(h.sessions))
	for s := range h.sessions {
		open = append(open, s)
	}
	h.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, s := range open {
			s.Abandon()
		}
		return ctx.Err()
	}
}

// Stats returns a snapshot.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{
		Connections: len(h.sessions),
		Opened:      h.count.opened.Load(), Resumed: h.count.resumed.Load(),
		Refused: h.count.refused.Load(), Limited: h.count.limited.Load(), CutOff: h.count.cutOff.Load(),
	}
}

// refuse answers with the status that SDKs react to and a text for people.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	h.count.refused.Add(1)
	if status == http.StatusTooManyRequests {
		h.count.limited.Add(1)
		w.Header().Set("Retry-After", "1")
	}
	h.opts.Logger.Info("client refused", "status", status, "reason", err.Error(), "remote", r.RemoteAddr)
	http.Error(w, err.Error(), status)
}

// statusOf maps what is wrong to the statuses that SDKs know: 401 stops them,
// 403 ends a resume for good, 404 with the room's phrase is "not allowed", any other 404 means that the
// path does not exist here, 5xx is tried again.
func statusOf(err error) int {
	var bad *badRequest
	if errors.As(err, &bad) {
		return bad.status
	}
	var often *limited
	if errors.As(err, &often) {
		return http.StatusTooManyRequests
	}
	var gone *room.Gone
	if errors.As(err, &gone) {
		return http.StatusForbidden
	}
	var refused *room.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case room.NotFound:
			return http.StatusNotFound
		case room.InvalidArgument:
			return http.StatusBadRequest
		case room.PermissionDenied:
			return http.StatusUnauthorized
		case room.AlreadyExists:
			return http.StatusConflict
		case room.Unimplemented:
			return http.StatusNotImplemented
		case room.ResourceExhausted, room.Unavailable:
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusInternalServerError
}
