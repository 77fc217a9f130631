package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/outbox"
	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	// maxQueue is how many messages a worker may be behind.
	maxQueue = 1024
	// registerTimeout is how long a worker may take to say what it is.
	registerTimeout = 10 * time.Second
	pingInterval    = 10 * time.Second
)

// link is the connection of one worker.
type link struct {
	*outbox.Outbox
	log    *slog.Logger   // immutable
	limits *rate.Messages // of who reads
}

func newLink(log *slog.Logger) *link {
	return &link{outbox.New(maxQueue, log), log, newLimits(time.Now())}
}

// message is what a worker is sent.
type message struct{ *livekit.ServerMessage }

func (m message) Binary() ([]byte, error) { return proto.Marshal(m.ServerMessage) }
func (m message) Size() int               { return proto.Size(m.ServerMessage) }
func (m message) JSON() ([]byte, error)   { return protojson.Marshal(m.ServerMessage) }

// Send queues m. A worker too far behind loses its connection.
func (l *link) Send(m *livekit.ServerMessage) { l.Outbox.Send(message{m}) }

// ServeHTTP answers GET /agent with the connection of a worker. The token needs
// the grant "agent".
func (d *Dispatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "this path takes the WebSocket connections of agent workers", http.StatusNotFound)
		return
	}
	claims, err := d.authenticate(r)
	if err != nil {
		d.opts.Logger.Info("agent worker refused", "reason", err.Error(), "remote", r.RemoteAddr)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	l := newLink(d.opts.Logger.With("remote", r.RemoteAddr))
	defer l.Abandon()
	if !d.enter(l) {
		http.Error(w, ErrStopping.Error(), http.StatusServiceUnavailable)
		return
	}
	defer d.exit(l)
	conn, err := l.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // tokens, not origins, admit a worker
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		d.opts.Logger.Debug("agent websocket upgrade", "error", err)
		return
	}
	conn.SetReadLimit(maxMessage)
	written := make(chan struct{})
	l.Begin(conn, d.probes)
	go func() {
		defer close(written)
		l.Write()
		l.Abandon()
	}()
	d.serve(l, conn, claims.APIKey)
	l.Close()
	<-written
	_ = conn.CloseNow()
}

func (d *Dispatcher) authenticate(r *http.Request) (*token.Claims, error) {
	scheme, raw, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		raw = r.URL.Query().Get("access_token")
	}
	claims, err := token.Verify(strings.TrimSpace(raw), d.opts.Keys, time.Now())
	if err != nil {
		return nil, err
	}
	return claims, claims.CanBeAgent()
}

func (d *Dispatcher) enter(l *link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return false
	}
	d.links[l] = struct{}{}
	d.serving.Add(1)
	return true
}

func (d *Dispatcher) exit(l *link) {
	d.mu.Lock()
	delete(d.links, l)
	d.mu.Unlock()
	d.serving.Done()
}

// serve reads the worker's messages until its connection ends.
func (d *Dispatcher) serve(l *link, conn *outbox.Conn, apiKey string) {
	first, err := l.read(conn, registerTimeout)
	if err != nil {
		l.log.Debug("agent worker did not register", "error", err)
		return
	}
	req := first.GetRegister()
	if req == nil {
		_ = conn.Close(websocket.StatusPolicyViolation, "the first message has to be a registration")
		return
	}
	var w *worker
	if d.do(l.Context(), func(s *state) { w = s.register(l, apiKey, req) }) != nil {
		return
	}
	// A stop ends the loop, and with it all workers.
	defer func() { _ = d.do(context.Background(), func(s *state) { s.unregister(w) }) }()
	for {
		m, err := l.read(conn, 0)
		if err != nil {
			l.log.Debug("agent worker's connection ended", "worker", w.id, "status", websocket.CloseStatus(err).String(), "error", err)
			return
		}
		if p := m.GetPing(); p != nil {
			l.Reply(message{&livekit.ServerMessage{Message: &livekit.ServerMessage_Pong{Pong: &livekit.WorkerPong{
				LastTimestamp: p.Timestamp, Timestamp: time.Now().UnixMilli(),
			}}}})
			continue
		}
		if d.do(l.Context(), func(s *state) { s.handle(w, m) }) != nil {
			return
		}
	}
}

// handle carries out a message of a registered worker.
func (s *state) handle(w *worker, m *livekit.WorkerMessage) {
	switch m := m.Message.(type) {
	case *livekit.WorkerMessage_Availability:
		s.answer(w, m.Availability)
	case *livekit.WorkerMessage_UpdateWorker:
		s.update(w, m.UpdateWorker)
	case *livekit.WorkerMessage_UpdateJob:
		s.report(w, m.UpdateJob)
	case *livekit.WorkerMessage_MigrateJob:
		ids := m.MigrateJob.GetJobIds()
		for _, j := range m.MigrateJob.GetJobs() {
			ids = append(ids, j.GetId())
		}
		s.adopt(w, ids)
	case *livekit.WorkerMessage_CreateJobToken:
		w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_CreateJobToken{CreateJobToken: &livekit.CreateJobTokenResponse{
			RequestId: m.CreateJobToken.GetRequestId(), Error: "this server signs no tokens for running jobs; use the job's own",
		}}})
	case *livekit.WorkerMessage_SimulateJob:
		s.d.opts.Logger.Warn("agent worker asks for a simulated job, which this server does not have", "worker", w.id)
	}
}

// read returns the next message that can be understood. within bounds the wait;
// 0 does not.
func (l *link) read(conn *outbox.Conn, within time.Duration) (*livekit.WorkerMessage, error) {
	ctx := l.Context()
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	for {
		kind, data, err := conn.Read(ctx)
		if errors.Is(err, websocket.ErrMessageTooBig) {
			return nil, l.cutOff(errTooLong)
		}
		if err != nil {
			return nil, err
		}
		if err := l.limits.Take(len(data), time.Now()); err != nil {
			return nil, l.cutOff(err)
		}
		m, err := decode(kind == websocket.MessageText, data)
		if err != nil {
			l.log.Debug("agent worker's message ignored", "error", err)
			if err := l.limits.Unreadable(); err != nil {
				return nil, l.cutOff(err)
			}
			continue
		}
		l.Answer(kind)
		return m, nil
	}
}

// cutOff ends the connection of a worker that does what none does, and tells it why.
func (l *link) cutOff(why error) error {
	l.log.Warn("agent worker cut off", "reason", why)
	l.CloseAs(websocket.StatusPolicyViolation, why.Error())
	return why
}

// decode reads a message of a worker.
func decode(text bool, data []byte) (*livekit.WorkerMessage, error) {
	m := new(livekit.WorkerMessage)
	if text {
		return m, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
	}
	return m, proto.Unmarshal(data, m)
}
