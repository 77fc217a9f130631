package signal

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestClientMaySendSoMuchAndNoMore(t *testing.T) {
	now := time.Unix(0, 0)
	limits := Limits{}.withDefaults()
	m := limits.messages(now)
	for i := range 20 * messageRate {
		if err := m.Take(10, now); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := m.Take(10, now); !errors.Is(err, rate.ErrTooManyMessages) {
		t.Errorf("one more: %v", err)
	}
	m = limits.messages(now)
	for range 16 * byteRate / maxMessage {
		if err := m.Take(maxMessage, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Take(1, now); !errors.Is(err, rate.ErrTooManyBytes) {
		t.Errorf("one more byte: %v", err)
	}
	if err := (Limits{Messages: 1, Bytes: 1}).messages(now).Take(maxMessage, now); err != nil {
		t.Errorf("a single message: %v", err)
	}
}

// flood writes a message until the server has enough of it.
func (c *client) flood(kind websocket.MessageType, raw []byte, most int) {
	for range most {
		if c.conn.Write(c.ctx, kind, raw) != nil {
			return
		}
	}
}

// wantCutOff reads to the end, which comes after a leave and says why, as the log does.
func (c *client) wantCutOff(status websocket.StatusCode, reason string) {
	c.Helper()
	told := false
	for {
		_, raw, err := c.conn.Read(c.ctx)
		var end websocket.CloseError
		switch {
		case errors.As(err, &end):
			if end.Code != status || !strings.Contains(end.Reason, reason) || !told {
				c.Errorf("closed with %v %q, told to leave before: %v", end.Code, end.Reason, told)
			}
			if log := c.logs.String(); !strings.Contains(log, "client cut off") || !strings.Contains(log, reason) {
				c.Errorf("the log says %s", log)
			}
			return
		case err != nil:
			c.Errorf("read: %v", err)
			return
		}
		m := new(livekit.SignalResponse)
		if proto.Unmarshal(raw, m) == nil && m.GetLeave() != nil {
			told = m.GetLeave().Action == livekit.LeaveRequest_DISCONNECT
		}
	}
}

func TestFloodsAreCutOffWithAReasonAndTheRoomGoesOn(t *testing.T) {
	candidate, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
		CandidateInit: `{"candidate":"candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host","sdpMid":"0","sdpMLineIndex":0}`,
		Target:        livekit.SignalTarget_SUBSCRIBER,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	long, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
		CandidateInit: strings.Repeat("x", maxMessage/2), Target: livekit.SignalTarget_SUBSCRIBER,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		raw    []byte
		reason string
	}{
		"100,000 candidates": {candidate, "too many messages"},
		"long messages":      {long, "too many bytes"},
		"garbage":            {[]byte{0xff, 0xff}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			tc := newTest(t, room.Defaults{})
			other := tc.dial(url.Values{}, mint(t, "other", nil))
			other.next()
			c := tc.dial(url.Values{}, mint(t, "flooder", nil))
			go c.flood(websocket.MessageBinary, tt.raw, 100_000)
			c.wantCutOff(websocket.StatusPolicyViolation, tt.reason)
			infos, err := tc.reg.ListParticipants(t.Context(), "demo")
			if err != nil || len(infos) != 1 || infos[0].Identity != "other" {
				t.Errorf("in the room: %v, %v", infos, err)
			}
			other.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
			until(other, func(m *livekit.SignalResponse) (bool, bool) { return true, m.GetPong() != 0 })
			tc.mu.Lock()
			defer tc.mu.Unlock()
			ends := 0
			for _, e := range tc.events {
				if e == event.ParticipantConnectionAborted || e == event.ParticipantLeft {
					ends++
				}
			}
			if ends != 1 {
				t.Errorf("%d ends in %v", ends, tc.events)
			}
		})
	}
}

func TestMetadataBeyondTheLimitIsRefusedAndBeyondTheMessageSizeEndsTheSession(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	yes := true
	c := tc.dial(url.Values{}, mint(t, "alice", func(c *token.Claims) { c.Video.CanUpdateOwnMetadata = &yes }))
	update := func(size int) *livekit.SignalRequest {
		return &livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{
			UpdateMetadata: &livekit.UpdateParticipantMetadata{RequestId: 7, Metadata: strings.Repeat("m", size)},
		}}
	}
	c.say(update(1 << 20))
	answer := until(c, func(m *livekit.SignalResponse) (*livekit.RequestResponse, bool) {
		r := m.GetRequestResponse()
		return r, r != nil
	})
	if answer.RequestId != 7 || answer.Reason != livekit.RequestResponse_LIMIT_EXCEEDED || !strings.Contains(answer.Message, "524288") {
		t.Errorf("answer %v %s", answer.Reason, answer.Message)
	}
	if answer.GetUpdateMetadata().GetMetadata() != "" {
		t.Error("the answer repeats what was too long")
	}
	raw, _ := proto.Marshal(update(maxMessage))
	_ = c.conn.Write(c.ctx, websocket.MessageBinary, raw)
	c.wantCutOff(websocket.StatusMessageTooBig, "longer than 2097152 bytes")
	if infos, err := tc.reg.ListParticipants(t.Context(), "demo"); err == nil && len(infos) > 0 {
		t.Errorf("in the room: %v", infos)
	}
	for deadline := time.Now().Add(patience); tc.handler.Stats().CutOff != 1; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) { // a real socket's end, polled
			t.Fatalf("%d were cut off", tc.handler.Stats().CutOff)
		}
	}
}

func TestClientThatHasOthersToldOfTooMuchIsReadSlowly(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{}, mint(t, "alice", func(c *token.Claims) { c.Video.CanUpdateOwnMetadata = new(true) }))
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{
		Metadata: strings.Repeat("x", 500_000),
	}}})
	const n = 140
	begin := time.Now()
	for range n {
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: "TR_none"}}})
		until(c, func(m *livekit.SignalResponse) (bool, bool) {
			return true, m.GetRequestResponse().GetReason() == livekit.RequestResponse_NOT_FOUND
		})
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("%d changes of half a megabyte in %v", n, took)
	}
}
