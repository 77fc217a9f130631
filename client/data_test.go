package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

func TestDataReachesWhoItIsFor(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		alice := s.join("alice", mode)
		byBob, onBob := recording(t)
		s.join("bob", mode, onBob)
		byCarol, onCarol := recording(t)
		s.join("carol", mode, onCarol)
		send := func(text string, o client.DataOptions) {
			t.Helper()
			if err := alice.Local().PublishData(s.context(), []byte(text), o); err != nil {
				t.Error(err)
			}
		}
		eventually(t, alice, "both are there", func(s *client.State) bool { return len(s.Participants) == 2 })
		send("to bob", client.DataOptions{To: []string{"bob"}, Topic: "private"})
		send("to all", client.DataOptions{})
		if e := next[client.DataReceived](byBob); string(e.Payload) != "to bob" || e.Topic != "private" || e.Identity != "alice" || e.Participant == nil || e.Kind != livekit.DataPacket_RELIABLE {
			t.Errorf("bob got %+v", e)
		}
		if e := next[client.DataReceived](byBob); string(e.Payload) != "to all" {
			t.Errorf("bob got %+v", e)
		}
		if e := next[client.DataReceived](byCarol); string(e.Payload) != "to all" {
			t.Errorf("carol got %+v", e)
		}
		stop := make(chan struct{})
		var sending sync.WaitGroup
		sending.Go(func() { // each may be lost
			for tick := time.NewTicker(50 * time.Millisecond); ; {
				send("lossy", client.DataOptions{Lossy: true})
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		})
		defer sending.Wait()
		defer close(stop)
		if e := next[client.DataReceived](byCarol); string(e.Payload) != "lossy" || e.Kind != livekit.DataPacket_LOSSY {
			t.Errorf("carol got %+v", e)
		}
		err := alice.Local().PublishData(s.context(), make([]byte, 70_000), client.DataOptions{})
		if !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("too much: %v", err)
		}
		api, ctx := s.api()
		topic := "server"
		_, err = api.SendData(ctx, &livekit.SendDataRequest{Room: t.Name(), Data: []byte("from the API"), Topic: &topic})
		if err != nil {
			t.Fatal(err)
		}
		e := next[client.DataReceived](byCarol)
		for e.Kind == livekit.DataPacket_LOSSY {
			e = next[client.DataReceived](byCarol)
		}
		if string(e.Payload) != "from the API" || e.Identity != "" || e.Participant != nil {
			t.Errorf("carol got %+v", e)
		}
	})
}

func TestSlowHandlerLosesNothingAndMayCallTheRoom(t *testing.T) {
	s := anySite(t)
	const n = 2000
	got := make(chan string, n)
	enter, hold := make(chan struct{}), make(chan struct{})
	first := true
	bob := s.join("bob", func(o *client.Options) {
		o.Setup = func(room *client.Room) {
			client.On(room, func(e client.DataReceived) {
				if first {
					first = false
					close(enter)
					<-hold
				}
				// Whatever a handler does with the room, it gets an answer.
				if room.State().Connection != client.StateConnected || room.Participant("alice") == nil {
					t.Error("the room cannot be read in a handler")
				}
				if len(got)%500 == 0 {
					if err := room.Local().PublishData(context.Background(), []byte("pong"), client.DataOptions{}); err != nil {
						t.Errorf("in a handler: %v", err)
					}
				}
				got <- string(e.Payload)
			})
		}
	})
	later := bob.Events(s.context())
	alice := s.join("alice")
	eventually(t, bob, "alice is there", func(s *client.State) bool { return len(s.Participants) == 1 })
	for i := range n {
		if err := alice.Local().PublishData(s.context(), fmt.Appendf(nil, "%d", i), client.DataOptions{}); err != nil {
			t.Fatal(err)
		}
		if i == n/2 {
			<-enter
			close(hold)
		}
	}
	for i := range n {
		if text := <-got; text != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, text)
		}
	}
	i := 0
	for e := range later { // had nobody listening so far
		if e, is := e.(client.DataReceived); is {
			if string(e.Payload) != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, e.Payload)
			}
			if i++; i == n {
				break
			}
		}
	}
	if i != n {
		t.Errorf("%d messages, want %d", i, n)
	}
}

func TestHandlerMayLeaveTheRoom(t *testing.T) {
	s := anySite(t)
	bob := s.join("bob", func(o *client.Options) {
		o.Setup = func(room *client.Room) {
			client.On(room, func(client.ParticipantConnected) { leave := room.Disconnect(context.Background()); _ = leave })
		}
	})
	s.join("alice")
	<-bob.Done()
}

func TestStreamsCarryAnyLength(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		type received struct {
			client.StreamInfo
			content []byte
			err     error
		}
		got := make(chan received, 10)
		read := func(r *client.StreamReader) {
			content, err := io.ReadAll(r)
			got <- received{r.Info(), content, err}
		}
		bob := s.join("bob", mode, func(o *client.Options) {
			o.Setup = func(room *client.Room) {
				room.HandleText("chat", read)
				room.HandleBytes("files", read)
			}
		})
		alice := s.join("alice", mode)
		eventually(t, alice, "bob is there", func(s *client.State) bool { return len(s.Participants) == 1 })

		long := strings.Repeat("größer als ein Paket – 世界 ", 5000)
		if err := alice.Local().SendText(s.context(), long, client.StreamOptions{Topic: "chat", To: []string{"bob"}, Attributes: map[string]string{"k": "v"}}); err != nil {
			t.Fatal(err)
		}
		r := <-got
		if r.err != nil || string(r.content) != long || r.Identity != "alice" || r.Attributes["k"] != "v" || !r.Text || r.Size != int64(len(long)) {
			t.Errorf("text: %+v, %d bytes, %v", r.StreamInfo, len(r.content), r.err)
		}

		file := filepath.Join(t.TempDir(), "random.bin")
		content := make([]byte, 3<<20)
		random := rand.NewChaCha8([32]byte{1})
		_, _ = random.Read(content)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := alice.Local().SendFile(s.context(), file, client.StreamOptions{Topic: "files"}); err != nil {
			t.Fatal(err)
		}
		if r := <-got; r.err != nil || !bytes.Equal(r.content, content) || r.Name != "random.bin" {
			t.Errorf("file: %+v, %d bytes, %v", r.StreamInfo, len(r.content), r.err)
		}

		w, err := alice.Local().OpenBytes(s.context(), client.StreamOptions{Topic: "files"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("half of it")); err != nil {
			t.Fatal(err)
		}
		leave(t, alice)
		if r := <-got; !errors.Is(r.err, client.ErrStreamLost) || string(r.content) != "half of it" {
			t.Errorf("broken off: %q, %v", r.content, r.err)
		}
		_ = bob
	})
}

func TestCallsGoBothWays(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		alice, bob := s.join("alice", mode), s.join("bob", mode)
		eventually(t, alice, "bob is there", func(s *client.State) bool { return len(s.Participants) == 1 })
		greet := func(_ context.Context, call client.Invocation) (string, error) {
			if call.Payload == "fail" {
				return "", &client.RPCError{Code: 7, Message: "as asked", Data: "more"}
			}
			if call.Payload == "oops" {
				return "", errors.New("a secret")
			}
			return call.Method + " " + call.Payload + " from " + call.Identity, nil
		}
		alice.Local().HandleRPC("greet", greet)
		bob.Local().HandleRPC("greet", greet)
		for _, c := range []struct {
			from *client.Room
			to   string
			want string
		}{{alice, "bob", "greet hello from alice"}, {bob, "alice", "greet hello from bob"}} {
			got, err := c.from.Local().Call(s.context(), c.to, "greet", "hello")
			if err != nil || got != c.want {
				t.Errorf("to %s: %q, %v", c.to, got, err)
			}
		}
		for _, c := range []struct {
			to, method, payload string
			code                uint32
		}{
			{"bob", "greet", "fail", 7},
			{"bob", "greet", "oops", client.RPCApplicationError},
			{"bob", "nothing", "", client.RPCUnsupportedMethod},
			{"nobody", "greet", "", client.RPCRecipientNotFound},
		} {
			_, err := alice.Local().Call(s.context(), c.to, c.method, c.payload)
			var e *client.RPCError
			if !errors.As(err, &e) || e.Code != c.code || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v: %v", c, err)
			}
		}
		long := strings.Repeat("long ", 40_000)
		if got, err := alice.Local().Call(s.context(), "bob", "greet", long); err != nil || got != "greet "+long+" from alice" {
			t.Errorf("%d bytes: %d, %v", len(long), len(got), err)
		}
		entered := make(chan struct{})
		bob.Local().HandleRPC("hang", func(ctx context.Context, _ client.Invocation) (string, error) {
			close(entered)
			<-ctx.Done()
			return "", ctx.Err()
		})
		failed := make(chan error, 1)
		go func() {
			_, err := alice.Local().Call(s.context(), "bob", "hang", "")
			failed <- err
		}()
		<-entered
		leave(t, bob)
		var e *client.RPCError
		if err := <-failed; !errors.As(err, &e) || e.Code != client.RPCRecipientGone {
			t.Errorf("bob left: %v", err)
		}
	})
}

// older has a client say nothing of what it can be sent, as older ones do.
func older(o *client.Options) {
	o.HTTPClient = &http.Client{Transport: modest{}}
}

type modest struct{}

// RoundTrip implements http.RoundTripper.
func (modest) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Del("client_protocol")
	r.URL.RawQuery = q.Encode()
	return http.DefaultTransport.RoundTrip(r)
}

func TestCallsOfOlderClientsFitIntoPackets(t *testing.T) {
	s := anySite(t)
	alice, bob := s.join("alice"), s.join("bob", older)
	for _, r := range []*client.Room{alice, bob} {
		eventually(t, r, "the other is there", func(s *client.State) bool { return len(s.Participants) == 1 })
		r.Local().HandleRPC("repeat", func(_ context.Context, call client.Invocation) (string, error) {
			return strings.Repeat(call.Payload, 3), nil
		})
	}
	for _, c := range []struct {
		from   *client.Room
		to     string
		length int
		code   uint32
	}{
		{alice, "bob", 5 << 10, 0},
		{bob, "alice", 5 << 10, 0},
		{alice, "bob", 15<<10 + 1, client.RPCRequestTooLarge}, // which bob cannot take
		{bob, "alice", 6 << 10, client.RPCResponseTooLarge},
	} {
		got, err := c.from.Local().Call(s.context(), c.to, "repeat", strings.Repeat("x", c.length))
		var e *client.RPCError
		if c.code == 0 && (err != nil || len(got) != 3*c.length) || c.code != 0 && (!errors.As(err, &e) || e.Code != c.code) {
			t.Errorf("to %s, %d bytes: %d, %v", c.to, c.length, len(got), err)
		}
	}
}
