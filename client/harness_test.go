package client_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// beside has the tests that wait for networks wait beside one another, also on few
// cores.
func beside() error {
	flag.Parse()
	return flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0))))
}

// patience is how long something may take on a busy machine.
const patience = time.Minute

// site is a server to test against: Rollcall in this process or, if LIVEKIT_URL,
// LIVEKIT_API_KEY and LIVEKIT_API_SECRET name one, any other of the protocol.
type site struct {
	t                *testing.T
	url, key, secret string
	foreign          bool
}

const testKey, testSecret = "testkey", "a-secret-that-is-long-enough-for-hs256"

// anySite is the server that the environment names, or Rollcall.
func anySite(t *testing.T) *site {
	t.Helper()
	if s := foreignSite(t); s != nil {
		return s
	}
	return rollcall(t)
}

// steadySite is one that does not pause video: a busy machine looks like a connection
// that does not carry it.
func steadySite(t *testing.T) *site {
	t.Helper()
	if s := foreignSite(t); s != nil {
		return s
	}
	o := options()
	o.KeepVideo = true
	return serve(t, o)
}

// foreignSite is the server that the environment names; nil if it names none.
func foreignSite(t *testing.T) *site {
	if url := os.Getenv("LIVEKIT_URL"); url != "" {
		return &site{t: t, url: url, key: os.Getenv("LIVEKIT_API_KEY"), secret: os.Getenv("LIVEKIT_API_SECRET"), foreign: true}
	}
	return nil
}

func rollcall(t *testing.T, extra ...string) *site {
	t.Helper()
	return serve(t, options(extra...))
}

func serve(t *testing.T, o serving.Options) *site {
	t.Helper()
	s := serving.Run(t, o)
	return &site{t: t, url: "ws://" + s.Addr().String(), key: testKey, secret: testSecret}
}

// options are those of a server, with more lines of its configuration.
func options(extra ...string) serving.Options {
	return serving.Options{Key: testKey, Secret: testSecret, Version: "1.13.0", YAML: extra}
}

// token lets somebody join the test's room.
func (s *site) token(identity string, change ...func(*token.Claims)) string {
	s.t.Helper()
	yes := true
	c := &token.Claims{Identity: identity, Name: "name of " + identity, Video: &token.VideoGrant{RoomJoin: true, Room: s.t.Name(), CanUpdateOwnMetadata: &yes}}
	for _, fn := range change {
		fn(c)
	}
	raw, err := token.Mint(s.key, s.secret, c, time.Now(), time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// join has somebody join the test's room, to leave at the end of the test.
func (s *site) join(identity string, change ...func(*client.Options)) *client.Room {
	s.t.Helper()
	return s.joinWith(s.token(identity), change...)
}

func (s *site) joinWith(raw string, change ...func(*client.Options)) *client.Room {
	s.t.Helper()
	// It shows if the test fails.
	log := slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := client.Options{Logger: log}
	for _, fn := range change {
		fn(&o)
	}
	ctx := s.context()
	room, err := client.Connect(ctx, s.url, raw, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { leave(s.t, room) })
	return room
}

func leave(t *testing.T, room *client.Room) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := room.Disconnect(ctx); err != nil {
		t.Errorf("disconnect: %v", err)
	}
	select {
	case <-room.Done():
	case <-ctx.Done():
		t.Error("the room has not ended")
	}
}

// context ends when something took too long, or with the test.
func (s *site) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// api is the server's API, as an administrator of the test's room.
func (s *site) api() (livekit.RoomService, context.Context) {
	s.t.Helper()
	raw := s.token("admin", func(c *token.Claims) {
		c.Video = &token.VideoGrant{RoomAdmin: true, RoomCreate: true, RoomList: true, Room: s.t.Name()}
	})
	url := "http" + strings.TrimPrefix(s.url, "ws")
	return livekit.NewRoomServiceProtobufClient(url, bearer{raw}), s.context()
}

// bearer is an HTTP client that shows a token.
type bearer struct{ token string }

func (b bearer) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultClient.Do(req)
}

// single has a client use one peer connection.
func single(o *client.Options) { o.SinglePeerConnection = true }

// both runs a test with either kind of connections.
func both(t *testing.T, test func(t *testing.T, s *site, mode func(*client.Options))) {
	bothAt(t, anySite, test)
}

// bothAt is both with servers of a kind.
func bothAt(t *testing.T, at func(*testing.T) *site, test func(t *testing.T, s *site, mode func(*client.Options))) {
	for name, mode := range map[string]func(*client.Options){"dual": func(*client.Options) {}, "single": single} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at(t), mode)
		})
	}
}

// record collects what a room, or a participant, tells.
type record struct {
	t      *testing.T
	events chan client.Event
	asked  map[event.ViewName]bool // what a test has seen in it
}

func newRecord(t *testing.T) *record {
	return &record{t: t, events: make(chan client.Event, 10_000), asked: map[event.ViewName]bool{}}
}

// recording returns an option that records, and the record.
func recording(t *testing.T) (*record, func(*client.Options)) {
	r := newRecord(t)
	return r, func(o *client.Options) {
		setup := o.Setup
		o.Setup = func(room *client.Room) {
			if setup != nil {
				setup(room)
			}
			client.On(room, func(e client.Event) { r.events <- e })
		}
	}
}

// next returns the next E, past other events.
func next[E client.Event](r *record) E {
	r.t.Helper()
	e, err := nextOr[E](r)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// nextOr is next for goroutines that must not end the test.
func nextOr[E client.Event](r *record) (none E, err error) {
	timeout := time.After(patience)
	for {
		select {
		case e := <-r.events:
			if e, is := e.(E); is {
				r.asked[e.View()] = true
				return e, nil
			}
		case <-timeout:
			return none, fmt.Errorf("no %s", none.View())
		}
	}
}

// eventually waits until the room is as it should be.
func eventually(t *testing.T, room *client.Room, what string, is func(*client.State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for s := range room.Observe(ctx) {
		if is(s) {
			return
		}
	}
	t.Fatalf("never: %s; the room is %+v", what, room.State())
}
