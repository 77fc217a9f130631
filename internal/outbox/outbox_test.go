package outbox

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// word is a message that says how it was encoded.
type word string

func (w word) Binary() ([]byte, error) { return []byte("binary " + w), nil }
func (w word) Size() int               { return len(w) }
func (w word) JSON() ([]byte, error) {
	if w == "" {
		return nil, errors.New("no JSON")
	}
	return []byte("JSON " + w), nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	o := New(3, quiet())
	for range 3 {
		o.Send(word("x"))
	}
	if o.Context().Err() != nil {
		t.Fatal("cut off too early")
	}
	o.Send(word("x"))
	if o.Context().Err() == nil {
		t.Error("not cut off")
	}
}

// load is a message of that many bytes.
type load int

func (l load) Binary() ([]byte, error) { return make([]byte, l), nil }
func (l load) Size() int               { return int(l) }
func (l load) JSON() ([]byte, error)   { return nil, errors.New("no JSON") }

func TestClientThatIsTooManyBytesBehindIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		first, then load
		fit         int // of the latter
	}{
		"short messages":                    {0, 1 << 10, maxWaiting>>10 + 2},
		"long ones":                         {0, 1 << 20, maxWaiting>>20 + 2},
		"what begins with a long one":       {3 * maxWaiting, 1 << 20, maxWaiting>>20 + 1},
		"one that is longer than the limit": {0, 2 * maxWaiting, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var logs strings.Builder
			o := New(1<<20, slog.New(slog.NewTextHandler(&logs, nil)))
			o.Send(c.first)
			for i := range c.fit {
				if o.Send(c.then); o.Context().Err() != nil {
					t.Fatalf("cut off by message %d of %d", i+1, c.fit)
				}
			}
			o.Send(c.then)
			if o.Context().Err() == nil || !strings.Contains(logs.String(), ErrUnread.Error()) {
				t.Errorf("not cut off, and the log says %q", logs.String())
			}
		})
	}
}

func TestWhatIsWrittenDoesNotCount(t *testing.T) {
	const most = 10_000
	o := New(100, quiet())
	o.bytes = most
	conn, _ := connect(t, o, time.Minute)
	o.Answer(websocket.MessageText)
	for range 4 {
		o.Send(load(most)) // cannot be encoded
		o.Send(word("done"))
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	o.Answer(websocket.MessageBinary)
	for range 8 {
		o.Send(load(most / 2))
		if _, data, err := conn.Read(t.Context()); err != nil || len(data) != most/2 {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
	o.Abandon()
}

// connect returns the client's end of a connection that o writes to, and what
// Write will have returned.
func connect(t *testing.T, o *Outbox, ping time.Duration) (*websocket.Conn, <-chan bool) {
	t.Helper()
	written := make(chan bool, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := o.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.CloseRead(o.Context()) // for pongs
		o.Begin(conn, NewWatch(ping))
		written <- o.Write()
	}))
	t.Cleanup(srv.Close)
	conn, _, err := websocket.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, written
}

func TestWhatWasQueuedIsWrittenInOrderBeforeTheEnd(t *testing.T) {
	o := New(10, quiet())
	o.Send(word("one"))
	conn, written := connect(t, o, time.Minute)
	want := func(kind websocket.MessageType, text string) {
		t.Helper()
		got, data, err := conn.Read(t.Context())
		if err != nil || got != kind || string(data) != text {
			t.Errorf("got %v %q, %v; want %v %q", got, data, err, kind, text)
		}
	}
	want(websocket.MessageBinary, "binary one")
	o.Answer(websocket.MessageText)
	o.Send(word("")) // cannot be encoded, and is left out
	o.Send(word("two"))
	o.CloseAs(websocket.StatusPolicyViolation, "enough")
	o.Close()
	o.Send(word("three"))
	want(websocket.MessageText, "JSON two")
	_, _, err := conn.Read(t.Context())
	if closed, ok := errors.AsType[websocket.CloseError](err); !ok || closed.Code != websocket.StatusPolicyViolation || closed.Reason != "enough" {
		t.Errorf("closed with %v", err)
	}
	if !<-written {
		t.Error("Write says that the connection broke")
	}
}

// ends is what the client reads last.
func ends(conn *websocket.Conn) string {
	_, _, err := conn.Read(context.Background())
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return closed.Code.String()
	}
	return "without a word"
}

func TestClientThatSaysGoodbyeEndsTheConnectionItself(t *testing.T) {
	for name, c := range map[string]struct {
		client func(*Outbox)
		within time.Duration
		want   string
	}{
		"it does":           {(*Outbox).Gone, 0, "without a word"},
		"it does not":       {func(*Outbox) {}, goodbyeTimeout, websocket.StatusNormalClosure.String()},
		"the server stops":  {(*Outbox).Close, 0, websocket.StatusNormalClosure.String()},
		"it is not awaited": {(*Outbox).Abandon, 0, "without a word"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := New(10, quiet())
				conn, written, stop := pipe(t, o, NewWatch(time.Minute), &websocket.DialOptions{})
				defer stop()
				ended := make(chan string, 1)
				go func() { ended <- ends(conn) }()
				began := time.Now()
				o.Goodbye()
				o.Close()
				synctest.Wait() // it is waited for
				c.client(o)
				if !<-written {
					t.Error("Write says that the connection broke")
				}
				if got := <-ended; got != c.want {
					t.Errorf("ended %s, want %s", got, c.want)
				}
				if d := time.Since(began); d != c.within {
					t.Errorf("after %s, want %s", d, c.within)
				}
			})
		})
	}
}

func TestClientThatIsGoneIsWrittenNothing(t *testing.T) {
	o := New(10, quiet())
	conn, written := connect(t, o, time.Minute)
	o.Hold(word("one"))
	o.Gone()
	o.Send(word("two"))
	if got := ends(conn); got != "without a word" {
		t.Errorf("ended %s", got)
	}
	if !<-written {
		t.Error("Write says that the connection broke")
	}
}

func TestAbandonedConnectionGetsNothingMore(t *testing.T) {
	o := New(10, quiet())
	_, written := connect(t, o, time.Minute)
	o.Abandon()
	if !<-written {
		t.Error("Write says that the connection broke")
	}
}

func TestClientThatIsGoneIsNoticed(t *testing.T) {
	o := New(10, quiet())
	conn, written := connect(t, o, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn.CloseRead(ctx) // answers pings
	for range 3 {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.CloseNow()
	if <-written {
		t.Error("Write says that all is well")
	}
}

// What waits together leaves together, and in order.
func TestRepliesLeaveBehindWhatWasQueuedBefore(t *testing.T) {
	o := New(10, quiet())
	o.Reply(word("zero")) // before there is a connection
	conn, _ := connect(t, o, time.Minute)
	want := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, data, err := conn.Read(t.Context()); err != nil || string(data) != "binary "+text {
				t.Errorf("got %q, %v; want %q", data, err, text)
			}
		}
	}
	want("zero")
	o.Hold(word("one"))
	o.Hold(word("two"))
	o.Reply(word("three"))
	want("one", "two", "three")
	o.Hold(word("four"))
	o.Wake()
	want("four")
	o.Hold(word("five"))
	o.Send(word("six"))
	want("five", "six")
	o.Hold(word("seven"))
	o.Close()
	o.Reply(word("eight"))
	want("seven")
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", err)
	}
}

func TestManyRepliesAndMessagesAllArrive(t *testing.T) {
	const each = 500
	o := New(4*each, quiet())
	conn, _ := connect(t, o, time.Minute)
	large := strings.Repeat("x", 5000) // more than what is buffered at a time
	var sending sync.WaitGroup
	for _, send := range []func(Message){o.Send, o.Reply, o.Hold} {
		sending.Go(func() {
			for i := range each {
				if i%50 == 0 {
					send(word(large))
				} else {
					send(word("small"))
				}
			}
		})
	}
	sending.Wait()
	o.Wake()
	for i := range 3 * each {
		_, data, err := conn.Read(t.Context())
		if err != nil || string(data) != "binary small" && string(data) != "binary "+large {
			t.Fatalf("message %d is %.20q, %v", i, data, err)
		}
	}
	o.Abandon()
}
