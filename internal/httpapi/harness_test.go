package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
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

// refusal is an error as package room makes them.
type refusal struct{ code, msg string }

func (e refusal) Error() string     { return e.msg }
func (e refusal) ErrorCode() string { return e.code }

var (
	errNoRoom        = refusal{"not_found", "requested room does not exist"}
	errNoParticipant = refusal{"not_found", "participant does not exist"}
)

// memRooms is Rooms and Participants in memory.
type memRooms struct {
	mu      sync.Mutex
	fail    error                    // mu guards; what each call returns, if set
	rooms   map[string]*livekit.Room // mu guards
	in      map[string]*livekit.ParticipantInfo
	sent    []string
	revoked time.Time // of the last removal
}

func newMemRooms() *memRooms {
	return &memRooms{rooms: map[string]*livekit.Room{}, in: map[string]*livekit.ParticipantInfo{}}
}

func (m *memRooms) join(room, identity string) {
	m.rooms[room] = &livekit.Room{Sid: "RM_" + room, Name: room}
	m.in[room+"/"+identity] = &livekit.ParticipantInfo{Sid: "PA_" + identity, Identity: identity,
		Tracks: []*livekit.TrackInfo{{Sid: "TR_1"}}}
}

func (m *memRooms) room(name string) (*livekit.Room, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if r := m.rooms[name]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("find room: %w", errNoRoom)
}

func (m *memRooms) participant(room, identity string) (*livekit.ParticipantInfo, error) {
	if _, err := m.room(room); err != nil {
		return nil, err
	}
	if p := m.in[room+"/"+identity]; p != nil {
		return p, nil
	}
	return nil, errNoParticipant
}

func (m *memRooms) Create(_ context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.rooms[req.Name] = &livekit.Room{Sid: "RM_" + req.Name, Name: req.Name, EmptyTimeout: req.EmptyTimeout, Metadata: req.Metadata}
	return m.rooms[req.Name], nil
}

func (m *memRooms) List(_ context.Context, names []string) (list []*livekit.Room, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.rooms {
		if len(names) == 0 || slices.Contains(names, name) {
			list = append(list, r)
		}
	}
	return list, m.fail
}

func (m *memRooms) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.room(name)
	delete(m.rooms, name)
	return err
}

func (m *memRooms) UpdateRoomMetadata(_ context.Context, name, metadata string) (*livekit.Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.room(name)
	if err == nil {
		r.Metadata = metadata
	}
	return r, err
}

func (m *memRooms) SendData(_ context.Context, req *livekit.SendDataRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.room(req.Room)
	if err == nil {
		m.sent = append(m.sent, string(req.Data))
	}
	return err
}

func (m *memRooms) ListParticipants(_ context.Context, room string) (list []*livekit.ParticipantInfo, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, p := range m.in {
		if strings.HasPrefix(at, room+"/") {
			list = append(list, p)
		}
	}
	_, err := m.room(room)
	return list, err
}

func (m *memRooms) Participant(_ context.Context, room, identity string) (*livekit.ParticipantInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.participant(room, identity)
}

func (m *memRooms) RemoveParticipant(_ context.Context, room, identity string, revoked time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked = revoked
	_, err := m.participant(room, identity)
	delete(m.in, room+"/"+identity)
	return err
}

func (m *memRooms) MoveParticipant(_ context.Context, req *livekit.MoveParticipantRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}

func (m *memRooms) ForwardParticipant(_ context.Context, req *livekit.ForwardParticipantRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}

func (m *memRooms) PerformRPC(_ context.Context, req *livekit.PerformRpcRequest) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.DestinationIdentity)
	return req.Method + "(" + req.Payload + ")", err
}

func (m *memRooms) MuteTrack(_ context.Context, room, identity, trackSID string, muted bool) (*livekit.TrackInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.participant(room, identity); err != nil {
		return nil, err
	}
	return &livekit.TrackInfo{Sid: trackSID, Muted: muted}, nil
}

func (m *memRooms) UpdateParticipant(_ context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.participant(req.Room, req.Identity)
	if err == nil {
		p.Name, p.Attributes = req.Name, req.Attributes
	}
	return p, err
}

func (m *memRooms) UpdateSubscriptions(_ context.Context, req *livekit.UpdateSubscriptionsRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.participant(req.Room, req.Identity)
	return err
}

// memLog is a Log in memory. Its records begin at 1, without gaps.
type memLog struct {
	mu      sync.Mutex
	records []event.Record // mu guards
	grown   chan struct{}  // mu guards; closed by the next append
	fail    error          // mu guards; what Read returns, if set
	first   uint64         // immutable; the lowest that is kept, 0 for 1
}

func newMemLog() *memLog { return &memLog{grown: make(chan struct{})} }

func (l *memLog) append(room string, bodies ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		seq := uint64(len(l.records) + 1)
		l.records = append(l.records, event.Record{
			Seq: seq, RoomSeq: seq, ID: fmt.Sprint("id-", seq), Name: event.RoomStarted, Room: room, RoomSID: "RM_" + room,
			Time: time.Date(2026, 11, 23, 12, 0, 0, int(seq)*1000, time.UTC), Body: []byte(body),
		})
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *memLog) Read(ctx context.Context, after uint64, limit int) ([]event.Record, error) {
	return l.ReadRoom(ctx, "", after, limit)
}

func (l *memLog) ReadRoom(_ context.Context, room string, after uint64, limit int) (found []event.Record, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.Seq > after && r.Seq >= l.first && len(found) < limit && (room == "" || r.Room == room) {
			found = append(found, r)
		}
	}
	return found, l.fail
}

func (l *memLog) Wait(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		last, grown := uint64(len(l.records)), l.grown
		l.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *memLog) First() uint64 { return max(l.first, 1) }

func (l *memLog) ByID(_ context.Context, id string) (event.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.ID == id {
			return r, nil
		}
	}
	return event.Record{}, fmt.Errorf("event %q: %w", id, delivery.ErrUnknownEvent)
}

func (l *memLog) At(_ context.Context, t time.Time) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if !r.Time.Before(t) {
			return r.Seq, nil
		}
	}
	return uint64(len(l.records)) + 1, nil
}

func (l *memLog) Session(ctx context.Context, sid string) (event.Session, bool, error) {
	found, _, _, err := l.Sessions(ctx, 0, 1, func(s *event.Session) bool { return s.SID == sid })
	if len(found) == 0 {
		return event.Session{}, false, err
	}
	return found[0], true, err
}

// Sessions knows of a session where it begins, and no more.
func (l *memLog) Sessions(_ context.Context, before uint64, limit int, match func(*event.Session) bool) (found []event.Session, _ uint64, done bool, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := make(map[string]uint64)
	for _, r := range l.records {
		if begun[r.RoomSID] == 0 {
			begun[r.RoomSID] = r.Seq
		}
	}
	for _, r := range slices.Backward(l.records) {
		s := event.Session{Room: r.Room, SID: r.RoomSID, First: r.Seq, Started: r.Time}
		if begun[r.RoomSID] != r.Seq || before > 0 && r.Seq >= before || !match(&s) {
			continue
		}
		if found = append(found, s); len(found) == limit {
			return found, r.Seq, false, l.fail
		}
	}
	return found, 1, true, l.fail
}

func (l *memLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.records))
}

// memStore is a Store in memory, which a restart of the API leaves alone.
type memStore struct {
	mu     sync.Mutex
	values map[string][]byte // mu guards
	fail   error             // mu guards; what writing returns, if set
}

func (m *memStore) LoadCursors(prefix string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]byte{}
	for k, v := range m.values {
		if strings.HasPrefix(k, prefix) {
			found[k] = v
		}
	}
	return found, nil
}

func (m *memStore) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.values[key] = value
	}
	return m.fail
}

func (m *memStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		delete(m.values, key)
	}
	return m.fail
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
