package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/livekit/protocol/livekit"
)

// The codes of errors of remote calls, which all of LiveKit's clients share.
const (
	RPCUnsupportedMethod  uint32 = 1400 // nobody handles the method
	RPCRecipientNotFound  uint32 = 1401 // nobody of the identity is in the room
	RPCRequestTooLarge    uint32 = 1402 // the other end cannot take so long a request
	RPCUnsupportedServer  uint32 = 1403 // the server does not pass calls on
	RPCUnsupportedVersion uint32 = 1404 // the other end does not know such calls
	RPCApplicationError   uint32 = 1500 // the handler failed
	RPCConnectionTimeout  uint32 = 1501 // the other end did not begin in time
	RPCResponseTimeout    uint32 = 1502 // the other end did not answer in time
	RPCRecipientGone      uint32 = 1503 // the other end left before it answered
	RPCResponseTooLarge   uint32 = 1504 // the caller cannot take so long an answer
	RPCSendFailed         uint32 = 1505 // the request did not get away
)

const (
	maxRPCPacket            = 15 << 10 // payload of a call within packets, in bytes
	rpcAckTimeout           = 7 * time.Second
	defaultRPCTimeout       = 15 * time.Second
	shortestResponseTimeout = time.Second
	rpcVersion              = 1 // of calls within packets
)

// RPCError is how a remote call fails.
type RPCError struct {
	// Code is one of those in this package, or the application's own.
	Code          uint32
	Message, Data string
}

// Error implements error.
func (e *RPCError) Error() string { return fmt.Sprintf("remote call: %s (%d)", e.Message, e.Code) }

func rpcError(code uint32) *RPCError {
	message := map[uint32]string{
		RPCUnsupportedMethod:  "method not supported at destination",
		RPCRecipientNotFound:  "recipient not found",
		RPCRequestTooLarge:    "request payload too large",
		RPCUnsupportedVersion: "unsupported version",
		RPCApplicationError:   "application error in method handler",
		RPCConnectionTimeout:  "connection timeout",
		RPCResponseTimeout:    "response timeout",
		RPCRecipientGone:      "recipient disconnected",
		RPCResponseTooLarge:   "response payload too large",
		RPCSendFailed:         "failed to send",
	}[code]
	return &RPCError{Code: code, Message: message}
}

// Invocation is a call of somebody else's.
type Invocation struct {
	// Identity is the caller's.
	Identity, Method, Payload string
}

// RPCHandler answers a call. Its context ends with the time that the caller
// waits, and when the room is left. An *RPCError reaches the caller as it is, any other error as
// RPCApplicationError.
type RPCHandler func(ctx context.Context, call Invocation) (string, error)

// rpc are the calls both ways.
type rpc struct {
	room *Room // immutable

	mu       sync.Mutex
	handlers map[string]RPCHandler // mu guards; by method

	answering answering // mu guards

	calls map[string]*call // loop only; by id
}

// call is one of ours that waits for its answer.
type call struct {
	to     string
	acked  chan struct{}
	answer chan answer
}

type answer struct {
	payload string
	err     error
}

func newRPC(r *Room) *rpc {
	return &rpc{room: r, handlers: map[string]RPCHandler{}, calls: map[string]*call{}, answering: answering{of: map[string]int{}}}
}

// HandleRPC answers calls of the method with fn, each on a goroutine of its own;
// nil ends that. Up to 1,000 calls are answered at a time, of one caller at most as many
// as there are places left: what is more gets no answer.
func (p *LocalParticipant) HandleRPC(method string, fn RPCHandler) {
	c := p.room.rpc
	c.mu.Lock()
	defer c.mu.Unlock()
	if fn == nil {
		delete(c.handlers, method)
		return
	}
	c.handlers[method] = fn
}

// Call has the participant with the identity answer a call of a method. Requests
// and answers have up to 15 KiB if the other end is an older client, and up to
// Options.StreamBuffer otherwise. If ctx has no deadline, it takes 15 s at most.
// What goes wrong at the other end, or on the way, is an *RPCError.
func (p *LocalParticipant) Call(ctx context.Context, identity, method, payload string) (string, error) {
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = time.Now().Add(defaultRPCTimeout)
	}
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, rpcError(RPCResponseTimeout))
	defer cancel()
	wait := max(time.Until(deadline)-rpcAckTimeout, shortestResponseTimeout)
	c := &call{to: identity, acked: make(chan struct{}), answer: make(chan answer, 1)}
	id := uuid.NewString()
	r := p.room
	streams := false
	err := r.do(ctx, func() error {
		to := r.remoteByIdentity(identity)
		if r.connection == StateConnected && to == nil {
			return rpcError(RPCRecipientNotFound)
		}
		if streams = takesStreams(to); !streams && len(payload) > maxRPCPacket {
			return rpcError(RPCRequestTooLarge)
		}
		r.rpc.calls[id] = c
		return nil
	})
	if err != nil {
		return "", err
	}
	defer r.loop.send(func() { delete(r.rpc.calls, id) })
	if streams {
		err = p.callByStream(ctx, identity, id, method, payload, wait)
	} else {
		err = r.data.send(ctx, &livekit.DataPacket{
			DestinationIdentities: []string{identity},
			Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{
				Id: id, Method: method, Payload: payload, ResponseTimeoutMs: uint32(wait.Milliseconds()), Version: rpcVersion,
			}},
		})
	}
	if err != nil {
		return "", fmt.Errorf("remote call: %w", err)
	}
	return c.wait(ctx)
}

func (c *call) wait(ctx context.Context) (string, error) {
	ack := time.NewTimer(rpcAckTimeout)
	defer ack.Stop()
	acked := c.acked
	for {
		select {
		case <-acked:
			ack.Stop()
			acked = nil
		case <-ack.C:
			return "", rpcError(RPCConnectionTimeout)
		case a := <-c.answer:
			return a.payload, a.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (c *call) finish(a answer) {
	select {
	case c.answer <- a:
	default: // it has one
	}
}

// acked takes the other end's word that it has begun. Loop only.
func (c *rpc) acked(from string, m *livekit.RpcAck) {
	if w := c.calls[m.GetRequestId()]; w != nil && w.to == from {
		select {
		case <-w.acked:
		default:
			close(w.acked)
		}
	}
}

// responded takes an answer. Loop only.
func (c *rpc) responded(from string, m *livekit.RpcResponse) {
	w := c.calls[m.GetRequestId()]
	if w == nil || w.to != from {
		return
	}
	if e := m.GetError(); e != nil {
		w.finish(answer{err: &RPCError{Code: e.GetCode(), Message: e.GetMessage(), Data: e.GetData()}})
		return
	}
	w.finish(answer{payload: m.GetPayload()})
}

func (c *rpc) close() {
	for _, w := range c.calls {
		w.finish(answer{err: ErrNotConnected})
	}
}

// request answers a call that came within a packet. Loop only.
func (c *rpc) request(from string, m *livekit.RpcRequest) {
	i := &incomingCall{
		from: from, id: m.GetId(), method: m.GetMethod(), wait: time.Duration(m.GetResponseTimeoutMs()) * time.Millisecond,
		supported: m.GetVersion() == rpcVersion, payload: func() (string, error) { return m.GetPayload(), nil },
	}
	if !c.begin(from) {
		return
	}
	c.room.running.Go(func() {
		defer c.end(from)
		c.serve(i)
	})
}

// incomingCall is somebody else's.
type incomingCall struct {
	from, id, method string
	wait             time.Duration // for the answer
	supported        bool          // the version is known
	payload          func() (string, error)
}

// serve answers a call, however it came, by what its sender takes.
func (c *rpc) serve(i *incomingCall) {
	ctx, cancel := context.WithTimeout(c.room.ctx, max(i.wait, shortestResponseTimeout))
	defer cancel()
	c.reply(ctx, i, &livekit.DataPacket{Value: &livekit.DataPacket_RpcAck{RpcAck: &livekit.RpcAck{RequestId: i.id}}})
	payload, failed := c.run(ctx, i)
	streams := takesStreams(c.room.Participant(i.from))
	switch {
	case failed == nil && streams:
		if err := c.answerByStream(ctx, i, payload); err != nil {
			c.room.log.Debug("answer call", "method", i.method, "error", err)
		}
		return
	case failed == nil && len(payload) > maxRPCPacket:
		failed = rpcError(RPCResponseTooLarge)
	}
	response := &livekit.RpcResponse{RequestId: i.id, Value: &livekit.RpcResponse_Payload{Payload: payload}}
	if failed != nil {
		response.Value = &livekit.RpcResponse_Error{Error: &livekit.RpcError{Code: failed.Code, Message: failed.Message, Data: failed.Data}}
	}
	c.reply(ctx, i, &livekit.DataPacket{Value: &livekit.DataPacket_RpcResponse{RpcResponse: response}})
}

func (c *rpc) reply(ctx context.Context, i *incomingCall, p *livekit.DataPacket) {
	p.DestinationIdentities = []string{i.from}
	if err := c.room.data.send(ctx, p); err != nil {
		c.room.log.Debug("answer call", "method", i.method, "error", err)
	}
}

// run has the application answer.
func (c *rpc) run(ctx context.Context, i *incomingCall) (string, *RPCError) {
	if !i.supported {
		return "", rpcError(RPCUnsupportedVersion)
	}
	request, err := i.payload()
	if own := new(RPCError); errors.As(err, &own) {
		return "", own
	}
	if err != nil {
		c.room.log.Debug("read call", "method", i.method, "error", err)
		return "", rpcError(RPCApplicationError)
	}
	c.mu.Lock()
	fn := c.handlers[i.method]
	c.mu.Unlock()
	if fn == nil {
		return "", rpcError(RPCUnsupportedMethod)
	}
	payload, err := fn(ctx, Invocation{Identity: i.from, Method: i.method, Payload: request})
	if own := new(RPCError); errors.As(err, &own) {
		return "", own
	}
	switch {
	case err == nil:
		return payload, nil
	case c.room.ctx.Err() != nil && errors.Is(err, context.Canceled):
		return "", rpcError(RPCRecipientGone) // we leave
	}
	c.room.log.Warn("method handler", "method", i.method, "error", err)
	return "", rpcError(RPCApplicationError)
}
