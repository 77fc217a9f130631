package signal

import (
	"net/url"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Whatever the order in which a client asks, each of its pings is answered.
func TestEveryPingIsAnswered(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{}, mint(t, "alice", nil))
	ping := &livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}}
	pingReq := &livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 42}}}
	other := &livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: &livekit.SubscriptionPermission{AllParticipants: true}}}
	for _, asked := range [][]*livekit.SignalRequest{
		{ping}, {pingReq}, {ping, pingReq}, {ping, pingReq}, {ping, other}, {ping, pingReq}, {ping, ping},
		{ping, pingReq}, {pingReq, ping}, {ping, pingReq}, {ping, pingReq},
		{ping}, // and no PingReq: its answer is late, not lost
	} {
		var want, got []string
		for _, req := range asked {
			c.say(req)
			switch req {
			case ping:
				want = append(want, "pong")
			case pingReq:
				want = append(want, "pongResp")
			}
		}
		for range want {
			got = append(got, until(c, func(m *livekit.SignalResponse) (string, bool) {
				switch {
				case m.GetPong() != 0:
					return "pong", true
				case m.GetPongResp().GetLastPingTimestamp() == 42:
					return "pongResp", true
				}
				return "", false
			}))
		}
		if !slices.Equal(got, want) {
			t.Errorf("answers %q, want %q", got, want)
		}
	}
}

// What is read and written by hand is what the protocol has.
func FuzzPing(f *testing.F) {
	for _, req := range []*livekit.SignalRequest{
		{}, {Message: &livekit.SignalRequest_Ping{Ping: 1}}, {Message: &livekit.SignalRequest_Ping{Ping: -1}},
		{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{}}},
		{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 1 << 40, Rtt: 7}}},
		{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: -1}}},
		{Message: &livekit.SignalRequest_Simulate{}},
	} {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
		f.Add(append(b, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := readPing(b)
		if !ok {
			return
		}
		req := new(livekit.SignalRequest)
		if err := proto.Unmarshal(b, req); err != nil {
			t.Fatalf("%x is no message: %v", b, err)
		}
		if want, ok := pingOf(req); !ok || got != want {
			t.Fatalf("%x is %v, want %v, %v", b, got, want, ok)
		}
		answer := pong{got, 1234567890123}
		raw, err := answer.Binary()
		if err != nil {
			t.Fatal(err)
		}
		resp := new(livekit.SignalResponse)
		if err := proto.Unmarshal(raw, resp); err != nil || !proto.Equal(resp, answer.response()) {
			t.Fatalf("%x reads as %v, want %v; %v", raw, resp, answer.response(), err)
		}
	})
}
