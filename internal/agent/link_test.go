package agent

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func serve(t *testing.T) string {
	t.Helper()
	return serveAndLog(t, nil)
}

func serveAndLog(t *testing.T, logger *slog.Logger) string {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), Options{Log: log, Rooms: &lobby{}, Keys: keys, ServerInfo: &livekit.ServerInfo{Version: "1.9.0"}, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return srv.URL
}

func workerToken(t *testing.T, grant *token.VideoGrant) http.Header {
	t.Helper()
	raw, err := token.Mint("devkey", "secret", &token.Claims{Video: grant}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + raw}}
}

func TestWorkerNeedsTheGrantAndAWebSocket(t *testing.T) {
	url := serve(t)
	if resp, err := http.Get(url); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("without upgrade: %v, %v", resp, err)
	}
	for what, header := range map[string]http.Header{
		"no token": {}, "no grant": workerToken(t, &token.VideoGrant{RoomAdmin: true, Room: "blue"}),
		"no JWT": {"Authorization": {"Bearer x"}},
	} {
		_, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: header})
		if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v, %v", what, resp, err)
		}
	}
}

func TestWorkerSpeaksProtobufOrJSON(t *testing.T) {
	url := serve(t)
	for _, text := range []bool{false, true} {
		kind, encode := websocket.MessageBinary, proto.Marshal
		if text {
			kind, encode = websocket.MessageText, protojson.Marshal
		}
		conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: workerToken(t, &token.VideoGrant{Agent: true})})
		if err != nil {
			t.Fatal(err)
		}
		say := func(m *livekit.WorkerMessage) {
			raw, err := encode(m)
			if err == nil {
				err = conn.Write(t.Context(), kind, raw)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		hear := func() *livekit.ServerMessage {
			got, raw, err := conn.Read(t.Context())
			if err != nil || got != kind {
				t.Fatalf("text %v: %v, %v", text, got, err)
			}
			m := new(livekit.ServerMessage)
			if text {
				err = protojson.Unmarshal(raw, m)
			} else {
				err = proto.Unmarshal(raw, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		if err := conn.Write(t.Context(), kind, []byte("\xff garbage")); err != nil {
			t.Fatal(err)
		}
		say(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Register{Register: &livekit.RegisterWorkerRequest{AgentName: "helper"}}})
		if m := hear().GetRegister(); !strings.HasPrefix(m.GetWorkerId(), "AW_") || m.GetServerInfo().GetVersion() != "1.9.0" {
			t.Errorf("registered: %v", m)
		}
		say(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Ping{Ping: &livekit.WorkerPing{Timestamp: 7}}})
		if m := hear().GetPong(); m.GetLastTimestamp() != 7 || m.GetTimestamp() == 0 {
			t.Errorf("pong: %v", m)
		}
		conn.CloseNow()
	}
}

func TestFirstMessageHasToRegister(t *testing.T) {
	conn, _, err := websocket.Dial(t.Context(), serve(t), &websocket.DialOptions{HTTPHeader: workerToken(t, &token.VideoGrant{Agent: true})})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	raw, _ := proto.Marshal(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Ping{Ping: &livekit.WorkerPing{}}})
	if err := conn.Write(t.Context(), websocket.MessageBinary, raw); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("got %v", err)
	}
}

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder // mu guards
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWorkersThatFloodAreCutOffWithAReason(t *testing.T) {
	ping, err := proto.Marshal(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Ping{Ping: &livekit.WorkerPing{Timestamp: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	long, err := proto.Marshal(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateJob{UpdateJob: &livekit.UpdateJobStatus{
		Error: strings.Repeat("x", maxMessage/2),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw    []byte
		reason error
		status websocket.StatusCode
	}{
		"messages":         {ping, rate.ErrTooManyMessages, websocket.StatusPolicyViolation},
		"bytes":            {long, rate.ErrTooManyBytes, websocket.StatusPolicyViolation},
		"garbage":          {[]byte{0xff, 0xff}, rate.ErrUnreadable, websocket.StatusPolicyViolation},
		"one that is long": {make([]byte, maxMessage+1), errTooLong, websocket.StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(lines)
			conn, _, err := websocket.Dial(t.Context(), serveAndLog(t, slog.New(slog.NewTextHandler(log, nil))),
				&websocket.DialOptions{HTTPHeader: workerToken(t, &token.VideoGrant{Agent: true})})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			register, err := proto.Marshal(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Register{Register: &livekit.RegisterWorkerRequest{}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Write(t.Context(), websocket.MessageBinary, register); err != nil {
				t.Fatal(err)
			}
			var flood sync.WaitGroup
			defer flood.Wait()
			flood.Go(func() {
				for conn.Write(t.Context(), websocket.MessageBinary, c.raw) == nil {
				}
			})
			for err == nil {
				_, _, err = conn.Read(t.Context())
			}
			// The WebSocket may close before the server hears why.
			for until := time.Now().Add(10 * time.Second); !strings.Contains(log.String(), c.reason.Error()) && time.Now().Before(until); {
				time.Sleep(time.Millisecond)
			}
			if websocket.CloseStatus(err) != c.status || !strings.Contains(log.String(), c.reason.Error()) {
				t.Errorf("ended with %v, and the log says %s", err, log)
			}
			_ = conn.CloseNow()
		})
	}
}

func TestWorkersMaySendSoMuchAndNoMore(t *testing.T) {
	now := time.Unix(0, 0)
	m := newLimits(now)
	for range 20 * messageRate {
		if err := m.Take(100, now); err != nil {
			t.Fatal(err)
		}
	}
	if m.Take(100, now) != rate.ErrTooManyMessages || m.Take(100, now.Add(time.Second)) != nil {
		t.Error("no such limit, or it is for ever")
	}
	m = newLimits(now)
	for range 16 * byteRate / maxMessage {
		if err := m.Take(maxMessage, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Take(1, now); err != rate.ErrTooManyBytes {
		t.Errorf("one more byte: %v", err)
	}
}

func FuzzWorkerMessage(f *testing.F) {
	for _, m := range []*livekit.WorkerMessage{
		{Message: &livekit.WorkerMessage_Availability{Availability: &livekit.AvailabilityResponse{JobId: "AJ_1", Available: true}}},
		{Message: &livekit.WorkerMessage_UpdateJob{UpdateJob: &livekit.UpdateJobStatus{JobId: "AJ_1", Status: livekit.JobStatus_JS_SUCCESS}}},
		{Message: &livekit.WorkerMessage_MigrateJob{MigrateJob: &livekit.MigrateJobRequest{Jobs: []*livekit.Job{{Id: "AJ_1"}}}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(false, raw)
		f.Add(true, []byte(protojson.Format(m)))
	}
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		m, err := decode(text, data)
		if err != nil {
			return
		}
		log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close(t.Context())
		s := newState(&Dispatcher{opts: Options{Log: log, Keys: keys}.withDefaults(), turnc: make(chan func(*state))})
		s.d.watch.Do(func() {}) // nobody reads
		r := &livekit.Room{Sid: "RM_1", Name: "blue"}
		w := s.register(&fake{}, "devkey", &livekit.RegisterWorkerRequest{})
		dp := s.dispatch(r, &livekit.AgentDispatch{Id: "AD_1", State: &livekit.AgentDispatchState{}})
		for id, j := range s.jobs {
			delete(s.jobs, id)
			j.info.Id = "AJ_1"
			s.jobs["AJ_1"] = j
		}
		s.handle(w, m)
		_ = s.snapshot(dp)
	})
}
