package signal

import (
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rollcall-rtc/rollcall/internal/outbox"
)

// Of LiveKit's messages, the fields that pings have.
const (
	fieldPing     = 14 // of SignalRequest, int64
	fieldPingReq  = 16 // of SignalRequest, Ping
	fieldPong     = 18 // of SignalResponse, int64
	fieldPongResp = 20 // of SignalResponse, Pong
	fieldFirst    = 1  // timestamp of Ping, last_ping_timestamp of Pong
	fieldSecond   = 2  // timestamp of Pong
)

// ping is what a client asks to know whether its connection lives.
type ping struct {
	timed bool  // a PingReq, with its time
	at    int64 // as the client gave it
}

// readPing reads a request that is a ping and nothing else. Most of what an idle
// client sends is, so it is worth not to decode it as a whole.
func readPing(b []byte) (p ping, ok bool) {
	num, typ, n := protowire.ConsumeTag(b)
	switch {
	case n < 0:
	case num == fieldPing && typ == protowire.VarintType:
		_, m := protowire.ConsumeVarint(b[n:])
		return ping{}, m > 0 && n+m == len(b)
	case num == fieldPingReq && typ == protowire.BytesType:
		inner, m := protowire.ConsumeBytes(b[n:])
		if m < 0 || n+m != len(b) {
			return ping{}, false
		}
		p.timed = true
		for len(inner) > 0 {
			num, typ, n := protowire.ConsumeTag(inner)
			if n < 0 {
				return ping{}, false
			}
			m := protowire.ConsumeFieldValue(num, typ, inner[n:])
			if m < 0 {
				return ping{}, false
			}
			if num == fieldFirst && typ == protowire.VarintType {
				v, _ := protowire.ConsumeVarint(inner[n:])
				p.at = int64(v)
			}
			inner = inner[n+m:]
		}
		return p, true
	}
	return ping{}, false
}

// pingOf is readPing for a request that is decoded.
func pingOf(req *livekit.SignalRequest) (p ping, ok bool) {
	switch m := req.Message.(type) {
	case *livekit.SignalRequest_Ping:
		return ping{}, true
	case *livekit.SignalRequest_PingReq:
		return ping{timed: true, at: m.PingReq.GetTimestamp()}, true
	}
	return ping{}, false
}

// pong answers a ping.
type pong struct {
	ping
	now int64 // Unix time in ms
}

// Binary implements outbox.Message.
func (p pong) Binary() ([]byte, error) {
	b := make([]byte, 0, 32)
	if !p.timed {
		b = protowire.AppendTag(b, fieldPong, protowire.VarintType)
		return protowire.AppendVarint(b, uint64(p.now)), nil
	}
	n := 0
	for _, v := range []int64{p.at, p.now} {
		if v != 0 {
			n += 1 + protowire.SizeVarint(uint64(v))
		}
	}
	b = protowire.AppendTag(b, fieldPongResp, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(n))
	for i, v := range []int64{p.at, p.now} {
		if v != 0 {
			b = protowire.AppendTag(b, protowire.Number(fieldFirst+i), protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(v))
		}
	}
	return b, nil
}

// Size implements outbox.Message.
func (p pong) Size() int { return 32 }

// JSON implements outbox.Message.
func (p pong) JSON() ([]byte, error) { return protojson.Marshal(p.response()) }

func (p pong) response() *livekit.SignalResponse {
	if !p.timed {
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Pong{Pong: p.now}}
	}
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_PongResp{PongResp: &livekit.Pong{LastPingTimestamp: p.at, Timestamp: p.now}}}
}

// pings answers those of a connection, on the goroutine that reads. SDKs ask twice at a
// time, for servers of two ages: where that has happened before, the first answer waits
// for the second, and both leave in one call.
type pings struct {
	to     *outbox.Outbox
	plain  bool // the last message was a Ping
	paired bool // and behind the one before it came a PingReq
	held   bool // its answer waits
}

func (p *pings) answer(asked ping) {
	m := pong{asked, time.Now().UnixMilli()}
	if asked.timed {
		p.paired, p.plain, p.held = p.plain, false, false
		p.to.Reply(m)
		return
	}
	if p.plain {
		p.paired = false // a PingReq was due
	}
	p.plain, p.held = true, p.paired
	if p.held {
		p.to.Hold(m)
	} else {
		p.to.Reply(m)
	}
}

// other says that something else was asked.
func (p *pings) other() {
	if p.held {
		p.to.Wake()
	}
	p.plain, p.held = false, false
}
