package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
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
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx) }()
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

	// Who comes anew is sent elsewhere; who comes back is let in, to its session or with
	// a new one.
	bearer := func(identity, room string) string {
		raw, err := token.Mint(key, secret, &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: room}}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, raw := range []string{bearer("bo", "demo"), bearer("ana", "another")} {
		_, resp, err := websocket.Dial(ctx, "ws://"+s.Addr().String()+"/rtc?protocol=16&access_token="+raw, nil)
		if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a new client: %v, %v", resp, err)
		}
		if status, text := get(t, base+"/rtc/validate?access_token="+raw, "", ""); status != http.StatusServiceUnavailable || !strings.Contains(text, room.ErrStopping.Error()) {
			t.Errorf("/rtc/validate: %d %s", status, text)
		}
	}
	sid := first.GetJoin().GetParticipant().GetSid()
	back, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/rtc?protocol=16&reconnect=1&sid=%s&access_token=%s", s.Addr(), sid, bearer("ana", "demo")), nil)
	if err != nil {
		t.Fatalf("a client that comes back: %v", err)
	}
	defer back.CloseNow()
	for read(t, back).GetReconnect() == nil {
	}
	leave, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Write(ctx, websocket.MessageBinary, leave); err != nil {
		t.Fatal(err)
	}
	if status, text := get(t, base+"/rtc/validate?access_token="+bearer("ana", "demo"), "", ""); status != http.StatusOK {
		t.Errorf("/rtc/validate for who starts over: %d %s", status, text)
	}
	again, joined := dial(t, s, "ana")
	defer again.CloseNow()
	if now := joined.GetJoin().GetParticipant().GetSid(); now == "" || now == sid {
		t.Errorf("who starts over has the session %q, and had %q", now, sid)
	}

	cancel() // the second signal
	if err := <-drained; err != nil {
		t.Errorf("drained: %v", err)
	}
	stop(t, s)
	if err := s.ready(); !errors.Is(err, room.ErrStopping) {
		t.Errorf("stopped: %v", err)
	}
}

func TestWithoutADelayNothingIsDrained(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), ""))
	if err := s.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// Half a request, or a download, must not keep the last webhooks back.
func TestAStopWaitsForNoRequestThatDoesNotEnd(t *testing.T) {
	sink, receiver := newSink(t)
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf("webhook: {api_key: %s, urls: ['%s']}", key, receiver.URL)))
	dial(t, s, "alice")
	half, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := fmt.Fprintf(half, "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, "http://"+s.Addr().String()+"/", "", ""); status != 200 { // the half one is being served, too
		t.Fatal("not served")
	}
	stop(t, s)
	want := []string{"room_started", "participant_connection_aborted"}
	if got := names(sink.Accepted()); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestADrainEndsWhenTheServerCannotGoOn(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), "drain: {delay: 1h}"))
	cause := errors.New("a listener has failed")
	s.serveErr <- cause
	if err := s.Drain(context.Background()); !errors.Is(err, cause) {
		t.Errorf("drained: %v", err)
	}
}
