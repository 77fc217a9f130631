package client

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
)

// hall is a room in which others come, send and leave, without a server.
type hall struct {
	t    *testing.T
	room *Room
	read chan heard
}

// heard is what came of a stream, and how long after the beginning its end was known.
type heard struct {
	text  string
	err   error
	after time.Duration
}

func inHall(t *testing.T, test func(h *hall)) {
	synctest.Test(t, func(t *testing.T) {
		h := &hall{t: t, room: newRoom(target{}, "", Options{}), read: make(chan heard, 10)}
		begin := time.Now()
		h.room.HandleText("chat", func(s *StreamReader) {
			text, err := io.ReadAll(s)
			h.read <- heard{string(text), err, time.Since(begin)}
		})
		go h.room.run()
		test(h)
		h.room.end(livekit.DisconnectReason_CLIENT_INITIATED, nil)
		<-h.room.Done()
	})
}

// do runs fn on the room's loop.
func (h *hall) do(fn func()) {
	h.room.loop.send(fn)
	synctest.Wait()
}

func (h *hall) update(sid, identity string, state livekit.ParticipantInfo_State) {
	h.do(func() {
		h.room.change(func() {
			h.room.updateRemote(&livekit.ParticipantInfo{Sid: sid, Identity: identity, State: state})
		})
	})
}

func (h *hall) arrives(sid string) { h.update(sid, "alice", livekit.ParticipantInfo_ACTIVE) }
func (h *hall) leaves(sid string)  { h.update(sid, "alice", livekit.ParticipantInfo_DISCONNECTED) }

// gets has packets of alice arrive.
func (h *hall) gets(sid string, packets ...*livekit.DataPacket) { h.getsAs(sid, "alice", packets...) }

// getsAs has packets arrive that a session sends in the name of an identity.
func (h *hall) getsAs(sid, identity string, packets ...*livekit.DataPacket) {
	for _, m := range packets {
		m.ParticipantIdentity, m.ParticipantSid = identity, sid
		h.do(func() { h.room.data.handle(livekit.DataPacket_RELIABLE, m) })
	}
}

func header() *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: "s", Topic: "chat", ContentHeader: &livekit.DataStream_Header_TextHeader{},
	}}}
}

func chunk(i uint64, text string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{
		StreamId: "s", ChunkIndex: i, Content: []byte(text),
	}}}
}

func trailer() *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: "s"}}}
}

// want checks what came of the stream, and that its end was known soon.
func (h *hall) want(text string, lost bool) {
	h.t.Helper()
	got := <-h.read
	if got.text != text || errors.Is(got.err, ErrStreamLost) != lost || got.err != nil && !lost || got.after > 2*strayTime {
		h.t.Errorf("%q, %v after %v, want %q, lost: %t", got.text, got.err, got.after, text, lost)
	}
}

func TestWhatFollowsTheNewsOfALeavingIsReceived(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.gets("PA_1", header(), chunk(0, "half"))
		h.leaves("PA_1")
		time.Sleep(strayTime / 2)
		h.gets("PA_1", chunk(1, " and half"), trailer())
		h.want("half and half", false)
	})
}

func TestStreamOfWhoHasLeftIsLostWhenNothingFollows(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.gets("PA_1", header(), chunk(0, "half"))
		h.leaves("PA_1")
		h.want("half", true)
	})
}

func TestStreamThatBeginsAfterTheLeavingEndsToo(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.leaves("PA_1")
		h.gets("PA_1", header(), chunk(0, "half"))
		h.want("half", true)
	})
}

func TestStreamThatIsKnownBeforeItsSenderGoesOn(t *testing.T) {
	inHall(t, func(h *hall) {
		h.gets("PA_1", header())
		h.arrives("PA_1")
		time.Sleep(5 * strayTime)
		h.gets("PA_1", chunk(0, "late"), trailer())
		if got := <-h.read; got.text != "late" || got.err != nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestStreamOfAReplacedSessionIsLost(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.gets("PA_1", header(), chunk(0, "half"))
		h.arrives("PA_2")
		h.leaves("PA_1")
		h.want("half", true)
	})
}

// The server leaves the name of another in the header of an agent's text, and in nothing
// that follows it. Of a hidden agent it names neither session nor identity.
func TestTextThatAnAgentWritesForSomebodyElseIsWhole(t *testing.T) {
	for _, agent := range []struct{ sid, identity string }{{"PA_agent", "agent"}, {"", ""}} {
		inHall(t, func(h *hall) {
			h.arrives("PA_1")
			if agent.sid != "" {
				h.update(agent.sid, agent.identity, livekit.ParticipantInfo_ACTIVE)
			}
			h.getsAs(agent.sid, "alice", header())
			h.getsAs(agent.sid, agent.identity, chunk(0, "what "), chunk(1, "alice said"), trailer())
			h.want("what alice said", false)
		})
	}
}

// Who writes for her may be there when she is not.
func TestTextOfWhoIsHiddenOutlivesItsNamesake(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.getsAs("", "alice", header())
		h.getsAs("", "", chunk(0, "what "))
		h.leaves("PA_1")
		time.Sleep(2 * strayTime)
		h.getsAs("", "", chunk(1, "alice said"), trailer())
		if got := <-h.read; got.text != "what alice said" || got.err != nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestNobodyWritesIntoAnothersStream(t *testing.T) {
	inHall(t, func(h *hall) {
		h.arrives("PA_1")
		h.update("PA_2", "mallory", livekit.ParticipantInfo_ACTIVE)
		h.update("PA_agent", "agent", livekit.ParticipantInfo_ACTIVE)
		h.gets("PA_1", header(), chunk(0, "alice's "))
		h.getsAs("PA_2", "mallory", header(), chunk(1, "and mallory's"), trailer())
		h.want("", true) // hers had no beginning
		h.gets("PA_1", chunk(1, "own"), trailer())
		h.want("alice's own", false)
		// Nor does she in whose name it is written.
		h.getsAs("PA_agent", "alice", header())
		h.gets("PA_1", chunk(0, "alice's"), trailer())
		h.getsAs("PA_agent", "agent", chunk(0, "the agent's"), trailer())
		h.want("the agent's", false)
	})
}

func TestAnswerThatTheNewsOfALeavingOvertookIsAnAnswer(t *testing.T) {
	for _, answered := range []bool{true, false} {
		inHall(t, func(h *hall) {
			c := &call{to: "alice", answer: make(chan answer, 1)}
			h.arrives("PA_1")
			h.do(func() { h.room.rpc.calls["1"] = c })
			h.leaves("PA_1")
			if answered {
				h.gets("PA_1", &livekit.DataPacket{Value: &livekit.DataPacket_RpcResponse{RpcResponse: &livekit.RpcResponse{
					RequestId: "1", Value: &livekit.RpcResponse_Payload{Payload: "yes"},
				}}})
			}
			a := <-c.answer
			var e *RPCError
			if answered && (a.err != nil || a.payload != "yes") || !answered && (!errors.As(a.err, &e) || e.Code != RPCRecipientGone) {
				t.Errorf("answered %t: %+v", answered, a)
			}
		})
	}
}
