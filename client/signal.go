package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	firstMessageTimeout = 10 * time.Second
	writeTimeout        = 10 * time.Second
	// maxSignalMessage is larger than what a server says about a full room.
	maxSignalMessage = 16 << 20
)

// signalConn is the connection over which client and server talk about the room.
type signalConn struct {
	// immutable
	ws     *websocket.Conn
	out    *mailbox[*livekit.SignalRequest]
	ctx    context.Context // ends when the connection is given up
	cancel context.CancelFunc

	running sync.WaitGroup // of the goroutines that start began
}

// dialSignal connects and returns what the server says first. The server's
// refusal is a *ConnectError.
func dialSignal(ctx context.Context, o *Options, url, token string) (*signalConn, *livekit.SignalResponse, error) {
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: o.HTTPClient,
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(resp.Body)
			return nil, nil, refused(resp.StatusCode, string(body))
		}
		return nil, nil, &ConnectError{Op: "dial", Err: err}
	}
	ws.SetReadLimit(maxSignalMessage)
	c := &signalConn{ws: ws, out: newMailbox[*livekit.SignalRequest]()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	limited, cancel := context.WithTimeout(ctx, firstMessageTimeout)
	defer cancel()
	first, err := c.read(limited)
	if err != nil {
		c.abandon()
		return nil, nil, &ConnectError{Op: "first message", Err: err}
	}
	return c, first, nil
}

// start reads and writes until the connection ends. Each message goes to
// message, the end to lost, unless it was closed from here. A server that says
// nothing for the timeout is lost; with an interval it is asked to say something.
func (c *signalConn) start(interval, timeout time.Duration, message func(*livekit.SignalResponse), lost func(error)) {
	c.running.Go(func() {
		err := c.readAll(timeout, message)
		if c.ctx.Err() == nil {
			lost(err)
		}
		c.cancel()
	})
	c.running.Go(func() { c.writeAll(interval) })
}

func (c *signalConn) readAll(timeout time.Duration, message func(*livekit.SignalResponse)) error {
	silent := time.AfterFunc(timeout, func() { _ = c.ws.CloseNow() })
	defer silent.Stop()
	for {
		m, err := c.read(c.ctx)
		if err != nil {
			return err
		}
		silent.Reset(timeout)
		message(m)
	}
}

func (c *signalConn) read(ctx context.Context) (*livekit.SignalResponse, error) {
	kind, data, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	m := new(livekit.SignalResponse)
	if kind == websocket.MessageText {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
	} else {
		err = proto.Unmarshal(data, m)
	}
	if err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

func (c *signalConn) writeAll(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			_ = c.ws.CloseNow()
			return
		case now := <-tick.C:
			err := errors.Join(
				c.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: now.UnixMilli()}}),
				c.write(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: now.UnixMilli()}}}),
			)
			if err != nil {
				_ = c.ws.CloseNow()
				return // the reader sees it, too
			}
		case <-c.out.wakec:
			queue, more := c.out.take()
			for _, m := range queue {
				if err := c.write(m); err != nil {
					_ = c.ws.CloseNow()
					return
				}
			}
			if !more {
				_ = c.ws.Close(websocket.StatusNormalClosure, "")
				return
			}
		}
	}
}

func (c *signalConn) write(m *livekit.SignalRequest) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, data)
}

// send queues m. What cannot be sent any more is lost with the connection.
func (c *signalConn) send(m *livekit.SignalRequest) { c.out.send(m) }

// leave says goodbye after what is queued, and closes in order.
func (c *signalConn) leave(reason livekit.DisconnectReason) {
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
		Leave: &livekit.LeaveRequest{Reason: reason, Action: livekit.LeaveRequest_DISCONNECT},
	}})
	c.out.close()
}

// abandon gives the connection up at once.
func (c *signalConn) abandon() {
	c.cancel()
	_ = c.ws.CloseNow()
}

// wait returns when the connection's goroutines have ended.
func (c *signalConn) wait() { c.running.Wait() }
