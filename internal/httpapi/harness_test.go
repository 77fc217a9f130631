package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	testKey    = "front"
	testSecret = "a-secret-of-this-test-that-is-long"
)

// api is the handler under test behind a real socket, and what stands behind it.
type api struct {
	*httptest.Server
	rooms  *memRooms
	log    *memLog
	store  *memStore
	agents *memAgents
	logs   *syncBuffer
	drain  chan struct{}
}

func newAPI(t testing.TB, change ...func(*Options)) *api {
	t.Helper()
	a := &api{
		rooms:  newMemRooms(),
		log:    newMemLog(),
		store:  &memStore{values: map[string][]byte{}},
		agents: new(memAgents),
		logs:   new(syncBuffer),
		drain:  make(chan struct{}),
	}
	o := Options{
		Keys:         token.Keys{testKey: testSecret},
		Rooms:        a.rooms,
		Participants: a.rooms,
		Log:          a.log,
		Consumers:    NewConsumers(a.store),
		Signal: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "signal")
		}),
		Agents: a.agents,
		Page: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "page "+r.URL.Path)
		}),
		Draining: a.drain,
		Logger:   slog.New(slog.NewTextHandler(a.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o)
	}
	a.Server = httptest.NewUnstartedServer(NewHandler(o))
	a.Config = NewServer(a.Config.Handler, o.Logger)
	a.Start()
	t.Cleanup(a.Close)
	return a
}

// mint returns a token with the grants.
func mint(t testing.TB, c token.Claims) string {
	t.Helper()
	raw, err := token.Mint(testKey, testSecret, &c, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func adminOf(room string) token.Claims {
	return token.Claims{Video: &token.VideoGrant{RoomAdmin: true, Room: room}}
}

func eventsGrant() token.Claims {
	return token.Claims{Rollcall: &token.RollcallGrant{Events: true}}
}

// bearer is an HTTP client that sends a token.
type bearer string

func (b bearer) Do(r *http.Request) (*http.Response, error) {
	if b != "" {
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultClient.Do(r)
}

// request sends a request; headers are name, value pairs.
func (a *api) request(t testing.TB, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wantError checks an error answer: its status, its code, and a word of its
// text, in Twirp's shape for Twirp's paths.
func wantError(t testing.TB, resp *http.Response, status int, code, says string) {
	t.Helper()
	var e struct{ Code, Msg, Message string }
	body := text(t, resp)
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q, want exactly application/json", ct)
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("status %d with body %q: %v", resp.StatusCode, body, err)
	}
	said := e.Message
	if strings.Contains(resp.Request.URL.Path, "/twirp/") {
		said = e.Msg
	}
	if resp.StatusCode != status || e.Code != code || said == "" || !strings.Contains(said, says) {
		t.Errorf("got %d %s %q, want %d %s saying %q", resp.StatusCode, e.Code, said, status, code, says)
	}
}

// syncBuffer is a buffer that goroutines may share.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // mu guards
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// await returns the text once it holds word n times, or after 10 s.
func (b *syncBuffer) await(word string, n int) string {
	deadline := time.Now().Add(10 * time.Second)
	for strings.Count(b.String(), word) < n && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	return b.String()
}

// errorCode returns the code of an error's JSON.
func errorCode(t testing.TB, body []byte) string {
	t.Helper()
	var e struct{ Code string }
	if err := json.Unmarshal(body, &e); err != nil || e.Code == "" {
		t.Fatalf("%q is no error with a code: %v", body, err)
	}
	return e.Code
}
