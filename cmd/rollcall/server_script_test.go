package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/token"
	"github.com/rollcall-rtc/rollcall/webhook"
)

// The commands in this file give scripts a running server and a receiver of
// webhooks, both on loopback.

// scriptServer is the server of one script.
type scriptServer struct {
	mu      sync.Mutex
	running *server.Server // mu guards
	address string         // mu guards; kept across restarts
}

var scriptServers sync.Map // of *scriptServer, by the script's directory

func serverOf(ts *testscript.TestScript) *scriptServer {
	s, _ := scriptServers.LoadOrStore(ts.Getenv("WORK"), new(scriptServer))
	return s.(*scriptServer)
}

// server start [config]|stop runs the server in development mode, with a
// configuration of the script's if there is one, and sets ROLLCALL_URL.
// Started again, it has the data that it had, at the same address.
func scriptedServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 || len(args) == 2 && args[0] != "start" {
		ts.Fatalf("usage: server start [config.yaml] | server stop")
	}
	s := serverOf(ts)
	switch args[0] {
	case "start":
		ts.Check(s.start(ts.Getenv("WORK"), args[1:]...))
		ts.Setenv("ROLLCALL_URL", "http://"+s.address)
		ts.Defer(func() { _ = s.stop() })
	case "stop":
		ts.Check(s.stop())
	default:
		ts.Fatalf("usage: server start [config.yaml] | server stop")
	}
}

func (s *scriptServer) start(work string, configs ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := "0"
	if _, p, ok := strings.Cut(s.address, ":"); ok {
		port = p
	}
	// Somebody may take the port between looking and listening.
	var err error
	for range 5 {
		if s.running, err = startServer(work, port, configs...); err == nil {
			s.address = s.running.Addr().String()
			break
		}
	}
	return err
}

// startServer starts a server with media over UDP and over a free port of TCP.
func startServer(work, port string, configs ...string) (*server.Server, error) {
	media, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, tcp, err := net.SplitHostPort(media.Addr().String())
	if err := errors.Join(err, media.Close()); err != nil {
		return nil, err
	}
	var flags config.Flags
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.Register(fs)
	args := []string{"--dev", "--bind", "127.0.0.1", "--port", port, "--udp-port", "0", "--tcp-port", tcp, "--data-dir", filepath.Join(work, "data")}
	for _, c := range configs {
		args = append(args, "--config", filepath.Join(work, c))
	}
	err = fs.Parse(args)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(&flags, nil)
	if err != nil {
		return nil, err
	}
	return server.Start(context.Background(), cfg, "test", slog.New(slog.DiscardHandler))
}

func (s *scriptServer) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := s.running.Stop(ctx)
	s.running = nil
	return err
}

// room create|delete NAME makes room_started and room_finished happen.
func scriptedRoom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: room create|delete name")
	}
	grant := &token.VideoGrant{RoomCreate: true}
	raw, err := token.Mint(config.DevKey, config.DevSecret, &token.Claims{Video: grant}, time.Now(), time.Minute)
	ts.Check(err)
	rooms := livekit.NewRoomServiceProtobufClient(ts.Getenv("ROLLCALL_URL"), authorized(raw))
	switch args[0] {
	case "create":
		_, err = rooms.CreateRoom(context.Background(), &livekit.CreateRoomRequest{Name: args[1]})
	case "delete":
		_, err = rooms.DeleteRoom(context.Background(), &livekit.DeleteRoomRequest{Room: args[1]})
	}
	ts.Check(err)
}

// authorized is an HTTP client that sends a token.
type authorized string

func (a authorized) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+string(a))
	r.Close = true // the server may be another one by the next request
	return http.DefaultClient.Do(r)
}

// receiver STATUS... starts a receiver of webhooks and sets RECEIVER to its URL.
// It verifies, answers its requests with each status in turn and then with the
// last, and writes what verified to the file received. While there is a file refused,
// the events named in it are answered 413.
func scriptedReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: receiver status...")
	}
	statuses := make([]int, len(args))
	for i, text := range args {
		if _, err := fmt.Sscan(text, &statuses[i]); err != nil {
			ts.Fatalf("status %q: %v", text, err)
		}
	}
	file, err := os.Create(ts.MkAbs("received"))
	ts.Check(err)
	var requests atomic.Int64
	var mu sync.Mutex
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev, err := webhook.Receive(r, webhook.Keys{config.DevKey: config.DevSecret})
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		n := int(requests.Add(1))
		status := statuses[min(n, len(statuses))-1]
		refused, _ := os.ReadFile(ts.MkAbs("refused")) // there may be none
		if slices.Contains(strings.Fields(string(refused)), string(ev.GetEvent())) {
			status = http.StatusRequestEntityTooLarge
		}
		mu.Lock()
		fmt.Fprintln(file, status, ev.GetEvent(), ev.GetRoom().GetName(), ev.Delivery.Seq, ev.Delivery.Attempt)
		mu.Unlock()
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "said the receiver\n")
	}))
	ts.Setenv("RECEIVER", receiver.URL)
	ts.Defer(func() {
		receiver.Close()
		_ = file.Close()
	})
}

// sign BODY HEADERS writes the headers that a delivery of the file BODY has now.
func signBody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sign body headers")
	}
	rec := &event.Record{Seq: 7, ID: "0190163d-8694-739b-aea5-966c26f8ad91", Name: event.RoomStarted, Body: []byte(ts.ReadFile(args[0]))}
	headers, err := delivery.Headers(delivery.Endpoint{URL: "http://localhost", APIKey: config.DevKey, Secret: config.DevSecret}, rec, 1, time.Now())
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(headers.Write(file))
	ts.Check(file.Close())
}

// eventually FILE TEXT waits until the file holds the text, 20 s at most.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: eventually file text")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if strings.Contains(string(text), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not come to hold %q but:\n%s", args[0], args[1], text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// recording STATUS waits until the last recording has that status, 30 s at most, and
// sets EGRESS to its id.
func recording(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: recording status")
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		ts.Check(ts.Exec("rollcall", "egress", "list", "--dev"))
		lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
		last := strings.Fields(lines[len(lines)-1])
		if slices.Contains(last, args[0]) {
			ts.Setenv("EGRESS", last[0])
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the recording does not get %s: %s", args[0], lines)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// present ROOM IDENTITY waits until that participant is in, 20 s at most.
func present(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: present room identity")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec("rollcall", "participant", "show", args[0], args[1], "--dev", "--json")
		if err == nil && strings.Contains(ts.ReadFile("stdout"), `"ACTIVE"`) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not come to be in %s", args[1], args[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}
