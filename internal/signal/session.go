package signal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/outbox"
	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// session is one signal connection; it is the room's Sink.
type session struct {
	*outbox.Outbox
	log *slog.Logger // immutable
}

// maxQueue is how many messages a client may be behind: some seconds of a large
// room's start.
const maxQueue = 2048

func newSession(log *slog.Logger) *session { return &session{outbox.New(maxQueue, log), log} }

// Send queues m. A client too far behind loses its connection.
func (s *session) Send(m *room.Message) { s.Outbox.Send(m) }

// run reads and writes until the connection ends, on either side. It reports false
// if the client had to be cut off.
func (s *session) run(conn *outbox.Conn, p *room.Participant, watch *outbox.Watch, limits Limits) (fair bool) {
	written, heard := make(chan struct{}), make(chan struct{})
	drop := context.AfterFunc(s.Context(), conn.Drop)
	s.Begin(conn, watch)
	go func() {
		defer close(written)
		if !s.Write() {
			s.hearOut(heard)
		}
		select {
		case <-heard:
		default:
			s.Abandon() // and with it the reader
		}
	}()
	fair = true
	if p != nil {
		fair = s.read(conn, p, limits.messages(time.Now()))
	} else {
		<-written
	}
	close(heard)
	if fair {
		s.Gone()
		_ = conn.CloseNow() // also what is being written
	} else {
		s.Close()
	}
	<-written
	drop()
	s.Abandon()
	if !fair {
		_ = conn.CloseNow()
	}
	return fair
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
	case <-s.Context().Done():
	}
}

const (
	shortMessage = 512     // bytes; most are shorter
	maxKept      = 8 << 10 // bytes; what is read into again
)

// read brings the client's messages into the room, until the connection ends. It
// reports false if the client had to be cut off.
func (s *session) read(conn *outbox.Conn, p *room.Participant, limits *rate.Messages) bool {
	answers := pings{to: s.Outbox}
	into := make([]byte, 0, shortMessage)
	for {
		kind, data, err := conn.Receive(into, maxMessage)
		if cap(data) <= maxKept {
			into = data
		}
		if errors.Is(err, websocket.ErrMessageTooBig) {
			s.evict(p, websocket.StatusMessageTooBig, errTooLong)
			return false
		}
		if err != nil {
			if s.log.Enabled(s.Context(), slog.LevelDebug) {
				s.log.Debug("signal connection ended", "status", websocket.CloseStatus(err).String(), "error", err)
			}
			return true
		}
		if err := limits.Take(len(data), time.Now()); err != nil {
			s.evict(p, websocket.StatusPolicyViolation, err)
			return false
		}
		if asked, ok := readPing(data); ok && kind == websocket.MessageBinary {
			s.Answer(kind)
			answers.answer(asked)
			continue
		}
		req, err := decode(kind, data)
		if err != nil {
			s.log.Debug("signal message ignored", "error", err)
			if err := limits.Unreadable(); err != nil {
				s.evict(p, websocket.StatusPolicyViolation, err)
				return false
			}
			continue
		}
		s.Answer(kind)
		if asked, ok := pingOf(req); ok {
			answers.answer(asked)
			continue
		}
		answers.other()
		if req.GetLeave() != nil {
			s.Goodbye()
		}
		p.Handle(req)
		p.Rest(s.Context())
	}
}

// decode reads a message of a client's.
func decode(kind websocket.MessageType, data []byte) (*livekit.SignalRequest, error) {
	req := new(livekit.SignalRequest)
	if kind == websocket.MessageText {
		if err := checkJSONParts(data); err != nil {
			return nil, err
		}
		return req, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, req)
	}
	if err := checkParts(data, req); err != nil {
		return nil, err
	}
	return req, proto.Unmarshal(data, req)
}

// evict has a client leave that does what no client does.
func (s *session) evict(p *room.Participant, status websocket.StatusCode, err error) {
	s.log.Warn("client cut off", "reason", err)
	s.CloseAs(status, err.Error())
	p.Evict(err.Error())
}
