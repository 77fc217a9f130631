package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// What can stand in for the server, to see what a join costs before a server has done
// anything for it.
const (
	floorHTTP    = "http"    // net/http and the server's WebSocket library
	floorSockets = "sockets" // requests and frames by hand
)

// floorEnv has this program be such a process.
const floorEnv = "ROLLCALL_BENCH_FLOOR"

// startFloor starts one, where the server would run.
func (b *bench) startFloor(ctx context.Context, kind string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), floorEnv+"="+kind)
	return launched(ctx, cmd, b.placement.startServer)
}

// maybeFloor is the beginning of main in such a process; it does not return there.
func maybeFloor() {
	kind := os.Getenv(floorEnv)
	if kind == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "bench: floor:", serveFloor(kind))
	os.Exit(1)
}

// serveFloor greets like the server, and serves until it is ended.
func serveFloor(kind string) error {
	welcome, err := fixedWelcome()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("API    http://%s\n", l.Addr())
	switch kind {
	case floorHTTP:
		return (&http.Server{Handler: floorHandler(welcome), ReadHeaderTimeout: patience}).Serve(l)
	case floorSockets:
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer c.Close()
				_ = answerByHand(c, welcome)
			}()
		}
	}
	return fmt.Errorf("no floor %q", kind)
}

// fixedWelcome is as long as the answer to a join of a room of four.
func fixedWelcome() ([]byte, error) {
	return proto.Marshal(&livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
		Room:        &livekit.Room{Sid: "RM_floor", Name: "floor"},
		Participant: &livekit.ParticipantInfo{Sid: "PA_floor", Metadata: strings.Repeat("x", 900)},
	}}})
}

func floorHandler(welcome []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for err = c.Write(r.Context(), websocket.MessageBinary, welcome); err == nil; {
			_, _, err = c.Read(r.Context())
		}
	})
}

// answerByHand answers one request of a WebSocket's client, and reads to the end of it.
// Its client looks at nothing of the answer but what RFC 6455, section 4.1, has it check.
func answerByHand(c net.Conn, welcome []byte) error {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	var key string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\r\n" {
			break
		}
		if name, value, ok := strings.Cut(line, ": "); ok && strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = strings.TrimSpace(value)
		}
	}
	if key == "" {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
		return err
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(key))
	answer = append(answer, 0x82, 126, byte(len(welcome)>>8), byte(len(welcome))) // a whole binary message, not masked
	if _, err := c.Write(append(answer, welcome...)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// acceptKey is Sec-WebSocket-Accept of RFC 6455, section 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
