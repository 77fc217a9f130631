package room

import (
	"context"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// rpcCall is a call of the API to a participant, until it is answered.
type rpcCall struct {
	to      *participant   // loop only
	ackc    chan struct{}  // buffered; it arrived
	answerc chan rpcAnswer // buffered
}

type rpcAnswer struct {
	payload string
	err     error
}

const (
	maxRPCPayload = 15 << 10 // bytes, as SDKs have it
	maxRPCCalls   = 1000     // of a room at a time
	rpcPrefix     = "RPC_"
	// rpcAckTimeout is how long a client may take to say that a call arrived.
	rpcAckTimeout = 7 * time.Second
	// rpcTimeout is how long a call may take that does not say.
	rpcTimeout = 15 * time.Second
)

// PerformRPC calls a method of a participant and returns what that answers. It
// fails with a deadline_exceeded Error if there is no answer in time,
// unimplemented if the client has no such method, unavailable if it goes
// meanwhile, and aborted with its own words if it refuses.
func (g *Registry) PerformRPC(ctx context.Context, req *livekit.PerformRpcRequest) (string, error) {
	if req.Method == "" {
		return "", invalid("method is required")
	}
	if err := checkText("method", req.Method, g.opts.Limits.MaxName); err != nil {
		return "", err
	}
	if len(req.Payload) > maxRPCPayload {
		return "", invalid("payload is %d bytes long, the limit is %d", len(req.Payload), maxRPCPayload)
	}
	timeout := time.Duration(req.ResponseTimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = rpcTimeout
	}
	id := newSID(rpcPrefix)
	call := &rpcCall{ackc: make(chan struct{}, 1), answerc: make(chan rpcAnswer, 1)}
	defer g.forgetRPC(req.Room, id) // the turn may still come, after an error
	err := g.with(ctx, req.Room, req.DestinationIdentity, func(s *state, p *participant) error {
		return s.callRPC(id, call, p, req, timeout)
	})
	if err != nil {
		return "", err
	}
	return call.wait(ctx, timeout)
}

// callRPC sends the call. It comes from an identity that is the call's own, so
// that the answer says which it is of.
func (s *state) callRPC(id string, call *rpcCall, p *participant, req *livekit.PerformRpcRequest, timeout time.Duration) error {
	if p.forwarding != nil {
		return ErrForwarded
	}
	if !p.joined {
		return ErrParticipantNotFound
	}
	if len(s.rpcs) >= maxRPCCalls {
		return &Error{ResourceExhausted, "too many calls in this room are waiting for their answers"}
	}
	raw, err := proto.Marshal(&livekit.DataPacket{
		ParticipantIdentity:   id,
		DestinationIdentities: []string{p.identity},
		Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{
			Id: id, Method: req.Method, Payload: req.Payload, ResponseTimeoutMs: uint32(timeout.Milliseconds()), Version: 1,
		}},
	})
	if err != nil {
		return invalid("method and payload must be valid UTF-8")
	}
	if len(raw) > maxPacket {
		return invalid("the call is %d bytes long with its method, the limit is %d", len(raw), maxPacket)
	}
	if s.rpcs == nil {
		s.rpcs = make(map[string]*rpcCall)
	}
	call.to = p
	s.rpcs[id] = call
	p.sendData(peer.Reliable, raw, nil)
	return nil
}

func (c *rpcCall) wait(ctx context.Context, timeout time.Duration) (string, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	ack := time.NewTimer(min(rpcAckTimeout, timeout))
	defer ack.Stop()
	for {
		select {
		case a := <-c.answerc:
			return a.payload, a.err
		case <-c.ackc:
			ack.Stop()
		case <-ack.C:
			return "", &Error{DeadlineExceeded, "the participant did not take the call in time"}
		case <-deadline.C:
			return "", &Error{DeadlineExceeded, "the participant did not answer in time"}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (g *Registry) forgetRPC(room, id string) {
	if r := g.lookup(room); r != nil {
		r.post(func(s *state) { delete(s.rpcs, id) })
	}
}

// takeRPC takes p's answer to a call of the API and says whether it was one.
func (s *state) takeRPC(p *participant, packet *livekit.DataPacket) bool {
	ack, response := packet.GetRpcAck(), packet.GetRpcResponse()
	id := ack.GetRequestId()
	if response != nil {
		id = response.GetRequestId()
	}
	call := s.rpcs[id]
	if call == nil || call.to != p {
		return false
	}
	if response == nil {
		select {
		case call.ackc <- struct{}{}:
		default:
		}
		return true
	}
	delete(s.rpcs, id)
	switch v := response.Value.(type) {
	case *livekit.RpcResponse_Payload:
		call.answerc <- rpcAnswer{payload: v.Payload}
	case *livekit.RpcResponse_Error:
		call.answerc <- rpcAnswer{err: rpcError(v.Error)}
	default:
		call.answerc <- rpcAnswer{err: &Error{Internal, "the participant answered in a form that was not asked for"}}
	}
	return true
}

// hangUp ends the calls to p, which is gone.
func (s *state) hangUp(p *participant) {
	for id, call := range s.rpcs {
		if call.to == p {
			delete(s.rpcs, id)
			call.answerc <- rpcAnswer{err: &Error{Unavailable, "the participant left before it answered"}}
		}
	}
}

// The codes that SDKs answer with by themselves; others are the application's.
const (
	rpcUnsupportedMethod = 1400
	rpcTooLarge          = 1504
)

func rpcError(e *livekit.RpcError) error {
	code := Aborted
	switch e.GetCode() {
	case rpcUnsupportedMethod:
		code = Unimplemented
	case rpcTooLarge:
		code = ResourceExhausted
	}
	msg := fmt.Sprintf("the participant answered with error %d: %s", e.GetCode(), e.GetMessage())
	if e.GetData() != "" {
		msg += ": " + e.GetData()
	}
	return &Error{code, msg}
}
