package rtmp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// recorder lets in who has the key, and keeps what comes.
type recorder struct {
	key  string
	done chan struct{} // or nil

	mu     sync.Mutex
	asked  []Request
	video  []flv.Tag
	audio  []flv.Tag
	times  []time.Duration
	failed []error
	closed []error
}

func (r *recorder) Publish(_ context.Context, q Request) (Publication, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.Key != r.key {
		return nil, ErrKey
	}
	r.asked = append(r.asked, q)
	return r, nil
}

func (r *recorder) keep(all *[]flv.Tag, at time.Duration, t flv.Tag, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed = append(r.failed, err)
	}
	if t.Kind == flv.Skip {
		return nil
	}
	t.Data = bytes.Clone(t.Data)
	*all = append(*all, t)
	r.times = append(r.times, at)
	return nil
}

func (r *recorder) Video(at time.Duration, b []byte) error {
	t, err := flv.ParseVideo(b)
	return r.keep(&r.video, at, t, err)
}

func (r *recorder) Audio(at time.Duration, b []byte) error {
	t, err := flv.ParseAudio(b)
	return r.keep(&r.audio, at, t, err)
}

func (r *recorder) Done() <-chan struct{} { return r.done }

func (r *recorder) Close(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = append(r.closed, cause)
}

// look returns what f sees.
func look[T any](r *recorder, f func() T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// serve runs a server and returns its address.
func serve(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// client speaks the protocol by hand.
type client struct {
	net.Conn
	t   *testing.T
	in  *chunkReader
	say []byte
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return &client{Conn: c, t: t, in: newChunkReader(c)}
}

func (c *client) handshake() *client {
	c.t.Helper()
	hello := append([]byte{3}, make([]byte, handshakeSize)...)
	if _, err := c.Write(hello); err != nil {
		c.t.Fatal(err)
	}
	answer := make([]byte, 1+2*handshakeSize)
	if _, err := io.ReadFull(c.Conn, answer); err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(answer[1+handshakeSize:], hello[1:]) {
		c.t.Fatal("S2 is not C1")
	}
	if _, err := c.Write(answer[1 : 1+handshakeSize]); err != nil {
		c.t.Fatal(err)
	}
	return c
}

func (c *client) command(stream uint32, values ...any) *client {
	return c.send(chunkCommand, message{kind: msgCommand, stream: stream, body: appendAMF(nil, values...)})
}

func (c *client) send(id byte, m message) *client {
	c.t.Helper()
	if _, err := c.Write(appendMessage(nil, defaultChunk, id, m)); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// answer returns the next command that the server says.
func (c *client) answer() ([]any, error) {
	for {
		m, err := c.in.next()
		if err != nil {
			return nil, err
		}
		switch m.kind {
		case msgSetChunk:
			if err := c.in.setChunk(binary.BigEndian.Uint32(m.body)); err != nil {
				return nil, err
			}
		case msgCommand:
			return parseAMF(m.body)
		}
	}
}

// publish returns the code that the server answers with.
func (c *client) publish(app, key string) (string, error) {
	c.command(0, "connect", 1.0, object{{"app", app}, {"tcUrl", "rtmp://here/" + app}})
	if _, err := c.answer(); err != nil {
		return "", err
	}
	c.command(0, "createStream", 2.0, nil)
	if _, err := c.answer(); err != nil {
		return "", err
	}
	c.command(1, "publish", 3.0, nil, key, "live")
	v, err := c.answer()
	if err != nil {
		return "", err
	}
	if len(v) != 4 {
		return "", fmt.Errorf("answered %v", v)
	}
	o, _ := v[3].(object)
	return o.text("code"), nil
}
