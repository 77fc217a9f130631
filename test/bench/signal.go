package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/logging"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// patience bounds every wait for the server. It is no measure: what takes this
// long has failed.
const patience = 30 * time.Second

// The key and secret of development mode.
const (
	devKey    = "devkey"
	devSecret = "secret"
)

func mint(identity string, grant *token.VideoGrant) (string, error) {
	return token.Mint(devKey, devSecret, &token.Claims{Identity: identity, Video: grant}, time.Now(), time.Hour)
}

// mintReader returns a token that may read all events.
func mintReader() (string, error) {
	return token.Mint(devKey, devSecret, &token.Claims{Rollcall: &token.RollcallGrant{Events: true}}, time.Now(), time.Hour)
}

// signalConn is a signal connection, version 0, in protobuf frames.
type signalConn struct {
	conn *websocket.Conn

	sending sync.Mutex // held for one message
}

// dialSignal connects and reads the JoinResponse.
func dialSignal(ctx context.Context, base, room, identity string) (*signalConn, error) {
	access, err := mint(identity, &token.VideoGrant{RoomJoin: true, Room: room})
	if err != nil {
		return nil, err
	}
	query := url.Values{"access_token": {access}, "protocol": {"16"}, "auto_subscribe": {"1"}, "version": {"0"}}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"/rtc?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(4 << 20)
	s := &signalConn{conn: conn}
	first, err := s.read(ctx)
	if err == nil && first.GetJoin() == nil {
		err = fmt.Errorf("the first message is %T", first.Message)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// next waits for a message; close ends it.
func (s *signalConn) next() (*livekit.SignalResponse, error) { return s.read(context.Background()) }

func (s *signalConn) read(ctx context.Context) (*livekit.SignalResponse, error) {
	_, raw, err := s.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	m := new(livekit.SignalResponse)
	if err := proto.Unmarshal(raw, m); err != nil {
		return nil, err
	}
	return m, nil
}

func (s *signalConn) send(m *livekit.SignalRequest) error {
	raw, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.Write(ctx, websocket.MessageBinary, raw)
}

func (s *signalConn) ping(now time.Time) error {
	return s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{
		PingReq: &livekit.Ping{Timestamp: now.UnixMilli()},
	}})
}

func (s *signalConn) close() { _ = s.conn.CloseNow() }

// silent is pion's logger.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return silent{} }
func (silent) Trace(string)                           {}
func (silent) Tracef(string, ...any)                  {}
func (silent) Debug(string)                           {}
func (silent) Debugf(string, ...any)                  {}
func (silent) Info(string)                            {}
func (silent) Infof(string, ...any)                   {}
func (silent) Warn(string)                            {}
func (silent) Warnf(string, ...any)                   {}
func (silent) Error(string)                           {}
func (silent) Errorf(string, ...any)                  {}
