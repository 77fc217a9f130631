package worker

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// A receiver that answers no goodbye is left soon: the server does not wait for long
// until a worker has ended.
func TestReceiverThatDoesNotAnswerTheGoodbyeIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go silent(t, far)
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}
		conn, _, err := websocket.Dial(t.Context(), "ws://receiver/", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		s := &socket{conn: conn, sendc: make(chan message, maxUnsent), donec: make(chan struct{})}
		running, end := context.WithCancel(context.Background())
		s.end = end
		go s.run(conn.CloseRead(running))
		if err := s.muted(true); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > goodbyePatience {
			t.Errorf("it is left after %v, want %v", took, goodbyePatience)
		}
		_ = far.Close()
	})
}

// silent accepts a WebSocket, reads what comes, and says nothing.
func silent(t *testing.T, c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		t.Error(err)
		return
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(req.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
	if _, err := c.Write([]byte(answer)); err != nil {
		t.Error(err)
	}
	_, _ = r.WriteTo(io.Discard)
}

// accept answers a client's key (RFC 6455 §4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
