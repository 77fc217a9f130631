package rtmp

import (
	"errors"
	"io"
	"testing"
	"time"
)

// shakes is a time for a handshake that is enough on a machine that is busy with
// other things, and much less than a drip takes.
const shakes = 2 * time.Second

// drip sends a byte now and then, until the server hangs up or all is sent, and
// reports how many went out.
func drip(c *client, b []byte) (n int) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c)
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; n < len(b); n++ {
		select {
		case <-gone:
			return n
		case <-tick.C:
			_, _ = c.Write(b[n : n+1])
		}
	}
	<-gone
	return n
}

// Who sends a little all the time keeps no connection: neither before one publishes,
// nor with a message that never ends.
func TestSlowLorisIsLetGo(t *testing.T) {
	r := &recorder{key: "k"}
	s, addr := serve(t, Options{Handler: r, PublishTimeout: shakes, IdleTimeout: time.Minute})
	hello := append([]byte{3}, make([]byte, 2*handshakeSize)...)
	if n := drip(dial(t, addr), hello); n == len(hello) {
		t.Error("a handshake may take for ever")
	}
	c := dial(t, addr).handshake()
	connect := appendMessage(nil, defaultChunk, 3, message{kind: msgCommand, body: make([]byte, 60_000)})
	if n := drip(c, connect); n == len(connect) {
		t.Error("a command may take for ever")
	}
	eventually(t, "nobody is there", func() bool { return s.Stats().Open == 0 })

	_, addr = serve(t, Options{Handler: r, IdleTimeout: 100 * time.Millisecond})
	c = dial(t, addr).handshake()
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	picture := appendMessage(nil, defaultChunk, 6, message{kind: msgVideo, stream: 1, body: make([]byte, 1<<20)})
	if n := drip(c, picture); n == len(picture) {
		t.Error("a picture may take for ever")
	}
	eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
}

// Not even who publishes may send a message that is larger than any picture, whatever
// size of chunks it has announced.
func TestOversizedMessagesAndChunksEndAPublication(t *testing.T) {
	for name, chunk := range map[string][]byte{"chunks as they are": nil, "the largest chunks": {0x7f, 0xff, 0xff, 0xff}} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{key: "k"}
			s, addr := serve(t, Options{Handler: r})
			c := dial(t, addr).handshake()
			if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
				t.Fatal(code, err)
			}
			if chunk != nil {
				c.send(2, message{kind: msgSetChunk, body: chunk})
			}
			_, _ = c.Write([]byte{6, 0, 0, 0, 0xff, 0xff, 0xff, msgVideo, 1, 0, 0, 0}) // of 16 MiB
			_, _ = io.Copy(io.Discard, c)
			eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
			if err := r.closed[0]; !errors.Is(err, ErrTooLarge) {
				t.Errorf("closed for %v", err)
			}
			eventually(t, "it is counted", func() bool { return s.Stats().Malformed == 1 })
		})
	}
}
