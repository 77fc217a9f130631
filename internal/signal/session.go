package signal

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/room"
)

// session is one signal connection; it is the room's Sink.
type session struct {
	log  *slog.Logger // immutable
	text atomic.Bool  // the client last sent JSON, so it gets JSON

	mu     sync.Mutex
	queue  []*room.Message // mu guards; not yet written
	closed bool            // mu guards; nothing more is queued
	reason string          // mu guards; why the client is cut off, if it is
	wakec  chan struct{}   // has an element when queue or closed changed
	ctx    context.Context // ends when the connection is given up at once
	cancel context.CancelFunc
}

const (
	// maxQueue is how many messages a client may be behind: some seconds of a
	// large room's start.
	maxQueue = 2048
	// writeTimeout is how long one write may take before the client counts as gone.
	writeTimeout = 10 * time.Second
)

func newSession(log *slog.Logger) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{log: log, wakec: make(chan struct{}, 1), ctx: ctx, cancel: cancel}
}

// Send queues m. A client too far behind loses its connection.
func (s *session) Send(m *room.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.queue) >= maxQueue {
		s.log.Warn("client does not read its signal messages, closing", "queued", len(s.queue))
		s.closed = true
		s.cancel()
		return
	}
	s.queue = append(s.queue, m)
	s.wake()
}

// Close ends the connection after what was queued before.
func (s *session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
}

// cutOff ends the connection, after what was queued, for what the client did.
func (s *session) cutOff(reason string) {
	s.mu.Lock()
	s.reason = reason
	s.mu.Unlock()
}

// abandon ends the connection without writing what is queued.
func (s *session) abandon() {
	s.Close()
	s.cancel()
}

func (s *session) wake() {
	select {
	case s.wakec <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether more may come.
func (s *session) take() (queue []*room.Message, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, s.queue = s.queue, nil
	return queue, !s.closed
}

// run reads and writes until the connection ends, on either side.
func (s *session) run(conn *websocket.Conn, p *room.Participant, ping time.Duration) {
	written, heard := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		if !s.write(conn, ping) {
			s.hearOut(heard)
		}
		s.cancel()
	}()
	if p != nil {
		s.read(conn, p)
	} else {
		<-written
	}
	close(heard)
	s.Close()
	<-written
	_ = conn.CloseNow()
}

// lastWords is how long a connection that cannot be written to any more is still
// read.
const lastWords = 5 * time.Second

// hearOut waits for the reader to get to the end of what the client has sent: who
// says goodbye and closes does not read what we write meanwhile.
func (s *session) hearOut(heard <-chan struct{}) {
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// read brings the client's messages into the room, until the connection ends.
func (s *session) read(conn *websocket.Conn, p *room.Participant) {
	limits := newLimiter(time.Now())
	for {
		kind, data, err := conn.Read(s.ctx)
		if err != nil {
			s.log.Debug("signal connection ended", "status", websocket.CloseStatus(err).String(), "error", err)
			return
		}
		if err := limits.take(len(data), time.Now()); err != nil {
			s.evict(p, err)
			return
		}
		req := new(livekit.SignalRequest)
		if kind == websocket.MessageText {
			err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, req)
		} else {
			err = proto.Unmarshal(data, req)
		}
		if err != nil {
			s.log.Debug("signal message ignored", "error", err)
			if err := limits.unreadable(); err != nil {
				s.evict(p, err)
				return
			}
			continue
		}
		s.text.Store(kind == websocket.MessageText)
		if !s.answerPing(req) {
			p.Handle(req)
		}
	}
}

// evict has a client leave that does what no client does.
func (s *session) evict(p *room.Participant, err error) {
	s.log.Warn("client cut off", "reason", err)
	s.cutOff(err.Error())
	p.Evict(err.Error())
}

// answerPing answers what concerns the connection and not the room.
func (s *session) answerPing(req *livekit.SignalRequest) bool {
	now := time.Now().UnixMilli()
	switch m := req.Message.(type) {
	case *livekit.SignalRequest_Ping:
		s.Send(room.NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_Pong{Pong: now}}))
	case *livekit.SignalRequest_PingReq:
		s.Send(room.NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_PongResp{PongResp: &livekit.Pong{
			LastPingTimestamp: m.PingReq.GetTimestamp(), Timestamp: now,
		}}}))
	default:
		return false
	}
	return true
}

// write sends what is queued and probes an idle connection, until either ends. It
// reports false if the connection cannot be written to any more.
func (s *session) write(conn *websocket.Conn, interval time.Duration) bool {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return true
		case <-timer.C:
			if err := s.ping(conn); err != nil {
				s.log.Debug("signal connection does not answer", "error", err)
				return false
			}
		case <-s.wakec:
			queue, more := s.take()
			for _, m := range queue {
				if err := s.writeOne(conn, m); err != nil {
					s.log.Debug("write signal message", "error", err)
					return false
				}
			}
			if !more {
				s.closeWith(conn)
				return true
			}
		}
		timer.Reset(interval)
	}
}

func (s *session) closeWith(conn *websocket.Conn) {
	s.mu.Lock()
	reason := s.reason
	s.mu.Unlock()
	if reason != "" {
		_ = conn.Close(websocket.StatusPolicyViolation, reason)
		return
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// ping waits for the pong, which the reader receives.
func (s *session) ping(conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

func (s *session) writeOne(conn *websocket.Conn, m *room.Message) error {
	kind, encode := websocket.MessageBinary, m.Binary
	if s.text.Load() {
		kind, encode = websocket.MessageText, m.JSON
	}
	data, err := encode()
	if err != nil {
		// A message that cannot be encoded is ours; the client lives on without it.
		s.log.Error("encode signal message", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return conn.Write(ctx, kind, data)
}
