package signal

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const key, secret = "testkey", "a-secret-that-is-long-enough-for-hs256"

// test is a signal handler over real rooms with real peer connections.
type test struct {
	*testing.T
	reg     *room.Registry
	handler *Handler
	url     string
	logs    lines

	broken atomic.Bool   // the server's writes fail
	failed chan struct{} // has an element for each that did

	mu     sync.Mutex
	events []event.Name
	left   []livekit.DisconnectReason
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

// brittleListener accepts connections that can be read but not written to while
// broken is set, as those whose other end is closed.
type brittleListener struct {
	net.Listener
	tc *test
}

func (l brittleListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return brittleConn{conn, l.tc}, err
}

type brittleConn struct {
	net.Conn
	tc *test
}

func (c brittleConn) Write(p []byte) (int, error) {
	if c.tc.broken.Load() {
		c.tc.failed <- struct{}{}
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

func newTest(t *testing.T, d room.Defaults) *test {
	t.Helper()
	media, err := peer.NewFactory(peer.Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true})
	if err != nil {
		t.Fatal(err)
	}
	tc := &test{T: t, failed: make(chan struct{}, 1000)}
	tc.reg = room.NewRegistry(room.Options{
		Media: room.Peers(media), Defaults: d,
		ServerInfo: &livekit.ServerInfo{Version: "1.9.0"},
		Publish: func(events ...event.Event) uint64 {
			tc.mu.Lock()
			defer tc.mu.Unlock()
			for _, e := range events {
				tc.events = append(tc.events, e.Name)
				if e.Name == event.ParticipantConnectionAborted {
					tc.left = append(tc.left, e.Participant.DisconnectReason)
				}
			}
			return uint64(len(tc.events))
		},
	})
	tc.handler = NewHandler(Options{
		Rooms: tc.reg, Keys: token.Keys{key: secret}, Logger: slog.New(slog.NewTextHandler(&tc.logs, nil)),
	})
	server := httptest.NewUnstartedServer(tc.handler)
	server.Listener = brittleListener{server.Listener, tc}
	server.Start()
	tc.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for what, err := range map[string]error{
			"rooms": tc.reg.Close(ctx), "signal": tc.handler.Close(ctx), "media": media.Close(ctx),
		} {
			if err != nil {
				t.Errorf("close %s: %v", what, err)
			}
		}
		server.Close()
	})
	return tc
}

func mint(t *testing.T, identity string, change func(*token.Claims)) string {
	t.Helper()
	c := &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}
	if change != nil {
		change(c)
	}
	raw, err := token.Mint(key, secret, c, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// patience is how long a test waits for the other side.
const patience = 20 * time.Second

// client is a WebSocket as an SDK opens it.
type client struct {
	*test
	conn *websocket.Conn
	ctx  context.Context
}

func (tc *test) dial(query url.Values, token string) *client {
	tc.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tc.Cleanup(cancel)
	query.Set("access_token", token)
	query.Set("protocol", "16")
	conn, resp, err := websocket.Dial(ctx, tc.url+"/rtc?"+query.Encode(), nil)
	if err != nil {
		tc.Fatalf("dial: %v (%v)", err, resp)
	}
	tc.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(4 << 20)
	return &client{tc, conn, ctx}
}

// next returns the next message, whatever its frame.
func (c *client) next() (*livekit.SignalResponse, websocket.MessageType) {
	c.Helper()
	kind, raw, err := c.conn.Read(c.ctx)
	if err != nil {
		c.Fatalf("read: %v", err)
	}
	m := new(livekit.SignalResponse)
	if kind == websocket.MessageText {
		err = protojson.Unmarshal(raw, m)
	} else {
		err = proto.Unmarshal(raw, m)
	}
	if err != nil {
		c.Fatalf("decode: %v", err)
	}
	return m, kind
}

// until reads on to a message that pick accepts.
func until[T any](c *client, pick func(*livekit.SignalResponse) (T, bool)) T {
	c.Helper()
	for {
		m, _ := c.next()
		if v, ok := pick(m); ok {
			return v
		}
	}
}

func leaveOf(m *livekit.SignalResponse) (*livekit.LeaveRequest, bool) {
	l := m.GetLeave()
	return l, l != nil
}

func (c *client) say(req *livekit.SignalRequest) {
	c.Helper()
	raw, err := proto.Marshal(req)
	if err != nil {
		c.Fatal(err)
	}
	if err := c.conn.Write(c.ctx, websocket.MessageBinary, raw); err != nil {
		c.Fatal(err)
	}
}

func TestRefusalsHaveTheStatusAndTextThatSDKsReactTo(t *testing.T) {
	tc := newTest(t, room.Defaults{NoAutoCreate: true})
	good := mint(t, "alice", nil)
	expired, err := token.Mint(key, secret, &token.Claims{Identity: "alice", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	early, err := token.Mint(key, secret, &token.Claims{Identity: "alice", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now().Add(time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := token.Mint("otherkey", secret, &token.Claims{Identity: "alice", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		token, header, query string
		status               int
		text                 string
	}{
		"no token":         {"", "", "", 401, "a token is required"},
		"garbage":          {"garbage", "", "", 401, "malformed"},
		"expired":          {expired, "", "", 401, "expired"},
		"not yet valid":    {early, "", "", 401, "not valid yet"},
		"unknown key":      {foreign, "", "", 401, "unknown API key"},
		"wrong algorithm":  {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + good[strings.IndexByte(good, '.'):], "", "", 401, "algorithm"},
		"no bearer":        {"", good, "", 401, "Bearer"},
		"no video grant":   {mint(t, "alice", func(c *token.Claims) { c.Video = nil }), "", "", 401, "roomJoin"},
		"no join grant":    {mint(t, "alice", func(c *token.Claims) { c.Video.RoomJoin = false }), "", "", 401, "roomJoin"},
		"no room":          {mint(t, "alice", func(c *token.Claims) { c.Video.Room = "" }), "", "", 400, "room"},
		"room is missing":  {good, "", "", 404, "requested room does not exist"},
		"join request":     {good, "", "&join_request=!", 400, "join_request must be base64url"},
		"attributes":       {good, "", "&attributes=e30", 401, "canUpdateOwnMetadata"},
		"name is too long": {mint(t, "alice", func(c *token.Claims) { c.Name = strings.Repeat("n", 300) }), "", "", 400, "name is 300 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/rtc/validate", "/rtc"} {
				req, _ := http.NewRequest(http.MethodGet, tc.url+path+"?access_token="+tt.token+tt.query, nil)
				if tt.header != "" {
					req.Header.Set("Authorization", tt.header)
				}
				if path == "/rtc" {
					req.Header.Set("Connection", "Upgrade")
					req.Header.Set("Upgrade", "websocket")
					req.Header.Set("Sec-WebSocket-Version", "13")
					req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.text) {
					t.Errorf("%s: %d %q, want %d and %q", path, resp.StatusCode, body, tt.status, tt.text)
				}
				if resp.StatusCode == 404 && name != "room is missing" && strings.Contains(string(body), "requested room does not exist") {
					t.Errorf("%s: the phrase of a missing room", path)
				}
				if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%s: a browser may not read the reason", path)
				}
				if strings.Contains(string(body), tt.token) && len(tt.token) > 8 {
					t.Errorf("%s: the token is in the answer", path)
				}
			}
		})
	}
}

func TestValidateSaysSuccess(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	resp, err := http.Get(tc.url + "/rtc/validate?access_token=" + mint(t, "alice", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "success" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestFirstMessageIsTheJoinAndAnOfferFollowsUnasked(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{"sdk": {"js"}, "attributes": {base64.URLEncoding.EncodeToString([]byte(`{"seat":"7"}`))}},
		mint(t, "alice", func(c *token.Claims) {
			yes := true
			c.Name, c.Attributes, c.Video.CanUpdateOwnMetadata = "Alice", map[string]string{"team": "red"}, &yes
		}))
	m, kind := c.next()
	join := m.GetJoin()
	if join == nil || kind != websocket.MessageBinary {
		t.Fatalf("first message %v in frame %v", m, kind)
	}
	if p := join.Participant; p.Identity != "alice" || p.Name != "Alice" || p.Attributes["team"] != "red" || p.Attributes["seat"] != "7" || p.Permission == nil {
		t.Errorf("participant %v", p)
	}
	if join.Room.GetName() != "demo" || !strings.HasPrefix(join.Room.Sid, "RM_") || !join.SubscriberPrimary || join.PingInterval <= 0 || join.PingTimeout <= 0 || join.ServerInfo.GetVersion() == "" {
		t.Errorf("join %v", join)
	}
	offer := until(c, func(m *livekit.SignalResponse) (*livekit.SessionDescription, bool) {
		o := m.GetOffer()
		return o, o != nil
	})
	if offer.Type != "offer" || !strings.Contains(offer.Sdp, "webrtc-datachannel") {
		t.Errorf("offer %v", offer)
	}
}

func TestServerAnswersInTheFrameTypeThatTheClientUses(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{}, mint(t, "alice", nil))
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	until(c, func(m *livekit.SignalResponse) (bool, bool) { return true, m.GetPong() != 0 })
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(`{"pingReq":{"timestamp":"42","rtt":"7"},"newField":1}`)); err != nil {
		t.Fatal(err)
	}
	for {
		m, kind := c.next()
		if pong := m.GetPongResp(); pong != nil {
			if kind != websocket.MessageText || pong.LastPingTimestamp != 42 {
				t.Errorf("pong %v in frame %v", pong, kind)
			}
			return
		}
	}
}

func TestGarbageIsIgnoredAndTheConnectionLives(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{}, mint(t, "alice", nil))
	for _, garbage := range [][]byte{{0xff, 0xff, 0xff}, {}, []byte("hello"), {0x0a, 0x7f}} {
		for _, kind := range []websocket.MessageType{websocket.MessageBinary, websocket.MessageText} {
			if err := c.conn.Write(c.ctx, kind, garbage); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	until(c, func(m *livekit.SignalResponse) (bool, bool) { return true, m.GetPong() != 0 })
}

func TestDeletedRoomIsNotBroughtBackByAResume(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	alice := mint(t, "alice", nil)
	c := tc.dial(url.Values{}, alice)
	m, _ := c.next()
	sid := m.GetJoin().GetParticipant().GetSid()
	if err := tc.reg.Delete(context.Background(), "demo"); err != nil {
		t.Fatal(err)
	}
	if l := until(c, leaveOf); l.Reason != livekit.DisconnectReason_ROOM_DELETED || l.Action != livekit.LeaveRequest_DISCONNECT {
		t.Errorf("told %v", l)
	}
	query := url.Values{"reconnect": {"1"}, "sid": {sid}, "access_token": {alice}}.Encode()
	resp, err := http.Get(tc.url + "/rtc/validate?" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "ROOM_DELETED") {
		t.Errorf("validate: %d %q", resp.StatusCode, body)
	}
	_, refused, err := websocket.Dial(context.Background(), tc.url+"/rtc?"+query, nil)
	if err == nil || refused.StatusCode != http.StatusForbidden {
		t.Errorf("resume: %v, %v", refused, err)
	}
	if rooms, _ := tc.reg.List(context.Background(), nil); len(rooms) != 0 {
		t.Errorf("rooms %v", rooms)
	}
}

func TestSessionThatTheServerDoesNotKnowStartsOver(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	query := url.Values{"reconnect": {"1"}, "sid": {"PA_forgotten"}}
	c := tc.dial(query, mint(t, "alice", nil))
	m, _ := c.next()
	if l := m.GetLeave(); l.GetReason() != livekit.DisconnectReason_STATE_MISMATCH || l.GetAction() != livekit.LeaveRequest_RECONNECT {
		t.Errorf("resume got %v", m)
	}
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("then %v, want a normal close", err)
	}
	if rooms, _ := tc.reg.List(context.Background(), nil); len(rooms) != 0 {
		t.Errorf("rooms %v", rooms)
	}
}

func TestClientThatVanishesBeforeItsTransportIsAborted(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	c := tc.dial(url.Values{}, mint(t, "alice", nil))
	c.next()
	_ = c.conn.CloseNow()
	deadline := time.Now().Add(10 * time.Second)
	for {
		tc.mu.Lock()
		n := len(tc.events)
		last := tc.events[n-1]
		tc.mu.Unlock()
		if last == event.ParticipantConnectionAborted {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("events %v", tc.events)
		}
		time.Sleep(5 * time.Millisecond) // a real socket's end, polled
	}
}

func TestGoodbyeIsHeardOnAConnectionThatCannotBeWrittenTo(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	const n = 20
	var clients []*client
	for i := range n {
		c := tc.dial(url.Values{}, mint(t, fmt.Sprint("guest-", i), nil))
		c.next()
		clients = append(clients, c)
	}
	tc.broken.Store(true)
	for _, c := range clients {
		// The one cannot be answered, and the other follows.
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 1}}})
		<-tc.failed
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		tc.mu.Lock()
		left := slices.Clone(tc.left)
		tc.mu.Unlock()
		if len(left) == n {
			for _, reason := range left {
				if reason != livekit.DisconnectReason_CLIENT_INITIATED {
					t.Errorf("left with %s", reason)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d left", len(left), n)
		}
		time.Sleep(5 * time.Millisecond) // real sockets' end, polled
	}
}

func FuzzSignal(f *testing.F) {
	for _, req := range []*livekit.SignalRequest{
		{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0\r\n"}}},
		{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{CandidateInit: `{"candidate":""}`}}},
		{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{Cid: "c"}}},
		{Message: &livekit.SignalRequest_SyncState{SyncState: &livekit.SyncState{}}},
		{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: &livekit.SubscriptionPermission{TrackPermissions: []*livekit.TrackPermission{{}}}}},
	} {
		raw, _ := proto.Marshal(req)
		f.Add(raw)
	}
	media, err := peer.NewFactory(peer.Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true})
	if err != nil {
		f.Fatal(err)
	}
	reg := room.NewRegistry(room.Options{
		Media: room.Peers(media), ServerInfo: &livekit.ServerInfo{Version: "1.9.0"},
		Publish: func(...event.Event) uint64 { return 0 },
	})
	f.Cleanup(func() {
		_ = reg.Close(context.Background())
		_ = media.Close(context.Background())
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		req := new(livekit.SignalRequest)
		if proto.Unmarshal(raw, req) != nil {
			return
		}
		sink := newSession(NewHandler(Options{}).opts.Logger)
		p, err := reg.Join(context.Background(), &room.Join{
			Room: "fuzz", Identity: "fuzzer", Client: &livekit.ClientInfo{Protocol: 16},
			Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanUpdateMetadata: true},
		}, sink)
		if err != nil {
			t.Fatal(err)
		}
		p.Handle(req)
		if _, err := reg.ListParticipants(context.Background(), "fuzz"); err != nil {
			t.Errorf("the room does not go on: %v", err)
		}
		p.SignalLost(sink)
	})
}
