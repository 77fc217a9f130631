package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/testkit/configfile"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const key, secret = "testkey", "a-secret-that-is-long-enough-for-hs256"

func configure(t *testing.T, dir string, extra string) *config.Config {
	t.Helper()
	body := fmt.Sprintf("port: 0\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: 0, enable_loopback_candidate: true}\nkeys: {%s: %s}\n%s", filepath.Join(dir, "data"), key, secret, extra)
	return configfile.Load(t, dir, body)
}

func start(t *testing.T, cfg *config.Config) *Server {
	t.Helper()
	s, err := Start(context.Background(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// sink is a receiver of webhooks on loopback.
func newSink(t *testing.T) (*webhooksink.Sink, *webhooksink.Server) {
	t.Helper()
	sink := webhooksink.New(map[string]string{key: secret})
	server, err := webhooksink.Listen("127.0.0.1:0", sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sink.Close()
		server.Close()
	})
	return sink, server
}

// dial opens a signal connection and returns it with its first message.
func dial(t *testing.T, s *Server, identity string) (*websocket.Conn, *livekit.SignalResponse) {
	t.Helper()
	raw, err := token.Mint(key, secret, &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+s.Addr().String()+"/rtc?protocol=16&access_token="+raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, read(t, conn)
}

func read(t *testing.T, conn *websocket.Conn) *livekit.SignalResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, raw, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := new(livekit.SignalResponse)
	if err := proto.Unmarshal(raw, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func names(deliveries []webhooksink.Delivery) []string {
	var all []string
	for _, d := range deliveries {
		all = append(all, d.Name())
	}
	return all
}

func TestStopTellsClientsAndDeliversThatTheyLeft(t *testing.T) {
	sink, receiver := newSink(t)
	s := start(t, configure(t, t.TempDir(), fmt.Sprintf("webhook: {api_key: %s, urls: ['%s']}", key, receiver.URL)))
	conn, first := dial(t, s, "alice")
	if first.GetJoin() == nil {
		t.Fatalf("first message %v", first)
	}
	stop(t, s)
	for {
		if leave := read(t, conn).GetLeave(); leave != nil {
			if leave.Action != livekit.LeaveRequest_RESUME || leave.Reason != livekit.DisconnectReason_SERVER_SHUTDOWN {
				t.Errorf("told %v", leave)
			}
			break
		}
	}
	want := []string{"room_started", "participant_connection_aborted"}
	if got := names(sink.Accepted()); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestRoomSessionOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	sink, receiver := newSink(t)
	cfg := configure(t, dir, fmt.Sprintf("room: {departure_timeout: 1}\nwebhook: {api_key: %s, urls: ['%s']}", key, receiver.URL))
	s := start(t, cfg)
	_, first := dial(t, s, "alice")
	stop(t, s)
	s = start(t, cfg)
	conn, again := dial(t, s, "alice")
	if before, after := first.GetJoin().GetRoom().GetSid(), again.GetJoin().GetRoom().GetSid(); before != after {
		t.Errorf("alice was in %s and came back to %s", before, after)
	}
	_ = conn.CloseNow()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	got, err := sink.Wait(ctx, 4)
	want := []string{"room_started", "participant_connection_aborted", "participant_connection_aborted", "room_finished"}
	if err != nil || !slices.Equal(names(got), want) {
		t.Errorf("delivered %v (%v), want %v", names(got), err, want)
	}
}

func TestQueuedDeliveriesSurviveAStop(t *testing.T) {
	dir := t.TempDir()
	sink, receiver := newSink(t)
	receiver.Down()
	cfg := configure(t, dir, fmt.Sprintf("webhook: {api_key: %s, urls: ['%s']}", key, receiver.URL))
	s := start(t, cfg)
	dial(t, s, "alice")
	stop(t, s)
	if n := sink.Len(); n != 0 {
		t.Fatalf("%d deliveries to a receiver that is down", n)
	}
	if err := receiver.Up(); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	got, err := sink.Wait(ctx, 2)
	want := []string{"room_started", "participant_connection_aborted"}
	if err != nil || !slices.Equal(names(got), want) {
		t.Errorf("delivered %v (%v), want %v", names(got), err, want)
	}
}

func TestStartThatCannotBindSaysWhatToDoAndLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer takenUDP.Close()
	port, udpPort := taken.Addr().(*net.TCPAddr).Port, takenUDP.LocalAddr().(*net.UDPAddr).Port
	dir := t.TempDir()
	for want, change := range map[string]func(*config.Config){
		fmt.Sprintf("bind HTTP port %d (choose another with port, --port or ROLLCALL_PORT)", port): func(c *config.Config) { c.Port = port },
		fmt.Sprintf("bind TCP port %d for media (choose another with rtc.tcp_port, ", port):        func(c *config.Config) { c.RTC.TCPPort = port },
		fmt.Sprintf("bind UDP port %d for media (choose another with rtc.udp_port, ", udpPort):     func(c *config.Config) { c.RTC.UDPPort = udpPort },
		"of bind_addresses this machine has none":                                                  func(c *config.Config) { c.BindAddresses = []string{"192.0.2.1"} },
		"rtc.interfaces and rtc.ips leave none": func(c *config.Config) {
			c.BindAddresses, c.RTC.Interfaces.Includes = nil, []string{"none"}
		},
		"rtc.enable_loopback_candidate: true, or --dev": func(c *config.Config) {
			c.BindAddresses, c.RTC.LoopbackCandidates, c.RTC.IPs.Includes = nil, false, []string{"127.0.0.0/8"}
		},
	} {
		cfg := configure(t, dir, "")
		change(cfg)
		_, err := Start(context.Background(), cfg, "test", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want %q", err, want)
		}
	}
	start(t, configure(t, dir, "")) // nothing holds the data directory any more
}

func TestDataDirectoryInUseIsAClearError(t *testing.T) {
	dir := t.TempDir()
	start(t, configure(t, dir, ""))
	_, err := Start(context.Background(), configure(t, dir, ""), "test", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "data")) {
		t.Errorf("second server: %v", err)
	}
}

func TestHealthChecksFollowTheServer(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), ""))
	get := func(method, accept string) (int, string) {
		req, _ := http.NewRequest(method, "http://"+s.Addr().String()+"/", nil)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if status, body := get(http.MethodGet, "*/*"); status != 200 || body != "OK" {
		t.Errorf("GET: %d %q", status, body)
	}
	if status, _ := get(http.MethodHead, "*/*"); status != 200 {
		t.Errorf("HEAD: %d", status)
	}
	if status, body := get(http.MethodGet, "text/html,*/*"); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("browser: %d %.40q", status, body)
	}
}

func TestServerIsNotReadyOnceItStops(t *testing.T) {
	s := start(t, configure(t, t.TempDir(), ""))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Wait(ctx); err != nil {
		t.Errorf("a wish to stop is no failure: %v", err)
	}
	if err := s.ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	stop(t, s)
	if err := s.ready(); err == nil || errors.Is(err, ErrLogFailed) {
		t.Errorf("stopped and ready: %v", err)
	}
}
