package room

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// call performs an RPC in the background, and returns the request as bob's
// client gets it, and the outcome.
func (tc *test) call(bob *client) (*livekit.RpcRequest, string, <-chan rpcAnswer) {
	outcome := make(chan rpcAnswer, 1)
	go func() {
		payload, err := tc.reg.PerformRPC(context.Background(), &livekit.PerformRpcRequest{
			Room: "demo", DestinationIdentity: "bob", Method: "greet", Payload: "hi", ResponseTimeoutMs: 20_000,
		})
		outcome <- rpcAnswer{payload, err}
	}()
	synctest.Wait()
	f := bob.sub()
	f.mu.Lock()
	defer f.mu.Unlock()
	packet := f.data[len(f.data)-1]
	return packet.GetRpcRequest(), packet.ParticipantIdentity, outcome
}

func ackOf(id string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_RpcAck{RpcAck: &livekit.RpcAck{RequestId: id}}}
}

func answerOf(r *livekit.RpcResponse) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_RpcResponse{RpcResponse: r}}
}

func TestRPCOfTheAPIIsAnsweredByTheParticipantAlone(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob, eve := tc.enter("demo", "bob"), tc.enter("demo", "eve")
		req, from, outcome := tc.call(bob)
		if req.GetMethod() != "greet" || req.GetPayload() != "hi" || req.GetVersion() != 1 || req.GetResponseTimeoutMs() != 20_000 || from == "" {
			t.Fatalf("bob got %v from %q", req, from)
		}
		if eve.got() != "" {
			t.Error("eve hears of it")
		}
		eve.sendPacket(peer.Reliable, answerOf(&livekit.RpcResponse{RequestId: req.Id, Value: &livekit.RpcResponse_Payload{Payload: "forged"}}))
		bob.sendPacket(peer.Reliable, ackOf(req.Id))
		sleep(10 * time.Second) // longer than an acknowledgement may take
		bob.sendPacket(peer.Reliable, answerOf(&livekit.RpcResponse{RequestId: req.Id, Value: &livekit.RpcResponse_Payload{Payload: "hello"}}))
		if a := <-outcome; a.err != nil || a.payload != "hello" {
			t.Errorf("answered %v", a)
		}
		bob.leave()
		eve.leave()
	})
}

func TestRPCFailuresAreToldApart(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(bob *client, id string)
		code Code
		text string
	}{
		"no acknowledgement": {func(*client, string) { sleep(rpcAckTimeout) }, DeadlineExceeded, "did not take"},
		"no answer": {func(bob *client, id string) {
			bob.sendPacket(peer.Reliable, ackOf(id))
			sleep(21 * time.Second)
		}, DeadlineExceeded, "did not answer"},
		"no such method": {func(bob *client, id string) {
			bob.sendPacket(peer.Reliable, answerOf(&livekit.RpcResponse{RequestId: id, Value: &livekit.RpcResponse_Error{Error: &livekit.RpcError{Code: 1400, Message: "unsupported"}}}))
		}, Unimplemented, "1400: unsupported"},
		"refused": {func(bob *client, id string) {
			bob.sendPacket(peer.Reliable, answerOf(&livekit.RpcResponse{RequestId: id, Value: &livekit.RpcResponse_Error{Error: &livekit.RpcError{Code: 42, Message: "no", Data: "why"}}}))
		}, Aborted, "42: no: why"},
		"gone": {func(bob *client, _ string) { bob.leave() }, Unavailable, "left"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				bob := tc.enter("demo", "bob")
				req, _, outcome := tc.call(bob)
				tt.act(bob, req.Id)
				a := <-outcome
				var e *Error
				if !errors.As(a.err, &e) || e.Code != tt.code || !strings.Contains(e.Msg, tt.text) {
					t.Errorf("%v, want %s with %q", a.err, tt.code, tt.text)
				}
				synctest.Wait()
				if r := tc.reg.lookup("demo"); r != nil {
					_, _ = r.do(context.Background(), func(s *state) {
						if len(s.rpcs) > 0 {
							t.Errorf("%d calls are remembered", len(s.rpcs))
						}
					})
				}
			})
		})
	}
}

// Else a room would refuse calls in the end, because of those nobody waits for.
func TestCallIsForgottenIfItsCallerGivesUpWhileTheRoomIsBusy(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		bob.room().busy(2 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		req := &livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "bob", Method: "greet"}
		if _, err := tc.reg.PerformRPC(ctx, req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("called: %v", err)
		}
		sleep(5 * time.Second)
		_, _ = bob.room().do(context.Background(), func(s *state) {
			if len(s.rpcs) > 0 {
				t.Errorf("%d calls are remembered", len(s.rpcs))
			}
		})
		bob.leave()
	})
}

func TestRPCThatCannotBeIsRefusedAtOnce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		for _, tt := range []struct {
			req  *livekit.PerformRpcRequest
			code Code
		}{
			{&livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "bob"}, InvalidArgument},
			{&livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "bob", Method: "m", Payload: strings.Repeat("x", maxRPCPayload+1)}, InvalidArgument},
			{&livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "bob", Method: "\xff"}, InvalidArgument},
			{&livekit.PerformRpcRequest{Room: "demo", DestinationIdentity: "nobody", Method: "m"}, NotFound},
			{&livekit.PerformRpcRequest{Room: "nowhere", DestinationIdentity: "bob", Method: "m"}, NotFound},
		} {
			_, err := tc.reg.PerformRPC(context.Background(), tt.req)
			var e *Error
			if !errors.As(err, &e) || e.Code != tt.code {
				t.Errorf("%v: %v, want %s", tt.req, err, tt.code)
			}
		}
		bob.leave()
	})
}
