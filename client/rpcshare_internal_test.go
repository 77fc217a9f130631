package client

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

func TestWhoCallsWithoutEndKeepsNobodyOut(t *testing.T) {
	for kind, packet := range map[string]func(id string) *livekit.DataPacket{
		"packets": func(id string) *livekit.DataPacket {
			return &livekit.DataPacket{Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{
				Id: id, Method: "greet", ResponseTimeoutMs: 60_000, Version: rpcVersion,
			}}}
		},
		"streams": func(id string) *livekit.DataPacket {
			m := header()
			h := m.GetStreamHeader()
			h.StreamId, h.Topic = id, rpcRequestTopic
			h.Attributes = map[string]string{rpcIDAttribute: id, rpcMethodAttribute: "greet", rpcTimeoutAttribute: "60000", rpcVersionAttribute: rpcStreamVersion}
			return m
		},
	} {
		t.Run(kind, func(t *testing.T) {
			inHall(t, func(h *hall) {
				var mu sync.Mutex
				called := map[string]int{}
				h.room.Local().HandleRPC("greet", func(_ context.Context, call Invocation) (string, error) {
					mu.Lock()
					defer mu.Unlock()
					called[call.Identity]++
					return "hello", nil
				})
				calls := func(who string, n int) {
					mu.Lock()
					round := len(called)
					mu.Unlock()
					for i := range n {
						id := fmt.Sprint(who, round, "/", i)
						h.getsAs("PA_"+who, who, packet(id))
						if kind == "streams" {
							h.getsAs("PA_"+who, who, &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{
								StreamTrailer: &livekit.DataStream_Trailer{StreamId: id},
							}})
						}
					}
				}
				for _, who := range []string{"mallory", "alice"} {
					h.update("PA_"+who, who, livekit.ParticipantInfo_ACTIVE)
				}
				calls("mallory", 2*maxAnswering)
				calls("alice", 10)
				// Nothing gets away from here, so that each takes its time.
				time.Sleep(2 * time.Minute)
				mu.Lock()
				if want := map[string]int{"mallory": maxAnswering / 2, "alice": 10}; !maps.Equal(called, want) {
					t.Errorf("called %v, want %v", called, want)
				}
				mu.Unlock()
				calls("mallory", 10)
				time.Sleep(2 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if called["mallory"] != maxAnswering/2+10 {
					t.Errorf("called %v after the others were answered", called)
				}
				h.room.rpc.mu.Lock()
				defer h.room.rpc.mu.Unlock()
				if a := &h.room.rpc.answering; a.all != 0 || len(a.of) != 0 {
					t.Errorf("%+v are still being answered", a)
				}
			})
		})
	}
}
