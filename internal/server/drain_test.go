package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestADrainingServerServesThoseWhoAreThereAndNobodyElse(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), "drain: {delay: 1h}\nadmin: {port: -1, bind_addresses: [127.0.0.1]}"))
	conn, first := dial(t, s, "ana")
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.Drain(ctx)
	}()
	<-s.leaving
	base := "http://" + s.Addr().String()
	for path, want := range map[string]int{"/readyz": 503, "/healthz": 200, "/": 200} {
		if status, _ := get(t, base+path, "", ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}

	// Who is there goes on.
	ping, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageBinary, ping); err != nil {
		t.Fatal(err)
	}
	for read(t, conn).GetPongResp() == nil {
	}

	// Who comes anew is sent elsewhere; who comes back is let in.
	raw, err := token.Mint(key, secret, &token.Claims{Identity: "ana", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, resp, err := websocket.Dial(ctx, "ws://"+s.Addr().String()+"/rtc?protocol=16&access_token="+raw, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new client: %v, %v", resp, err)
	}
	if status, text := get(t, base+"/rtc/validate?access_token="+raw, "", ""); status != http.StatusServiceUnavailable {
		t.Errorf("/rtc/validate: %d %s", status, text)
	}
	sid := first.GetJoin().GetParticipant().GetSid()
	back, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/rtc?protocol=16&reconnect=1&sid=%s&access_token=%s", s.Addr(), sid, raw), nil)
	if err != nil {
		t.Fatalf("a client that comes back: %v", err)
	}
	defer back.CloseNow()
	for read(t, back).GetReconnect() == nil {
	}

	cancel() // the second signal
	<-drained
	stop(t, s)
	if err := s.ready(); !errors.Is(err, room.ErrStopping) {
		t.Errorf("stopped: %v", err)
	}
}

func TestWithoutADelayNothingIsDrained(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), ""))
	s.Drain(context.Background())
	if err := s.ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}
