package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Connections on which nothing comes, or too little, cost little, end by
// themselves, and keep nobody out.
func TestConnectionsOnWhichNothingComesEnd(t *testing.T) {
	t.Parallel() // it waits most of the time
	m := newMeeting(t)
	admin, err := mint(&token.Claims{Video: &token.VideoGrant{RoomList: true, Agent: true}})
	m.must(err)
	const connections = 200
	const upgrade = "GET /agent HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer "
	const call = "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
		"Content-Length: 100\r\nAuthorization: Bearer "
	var ended sync.WaitGroup
	defer ended.Wait()
	kinds := []struct {
		what  string
		port  int
		first string
		open  atomic.Int64
	}{
		{what: "HTTP, silent", port: m.s.port},
		{what: "HTTP, half a header", port: m.s.port, first: "GET /rtc HTTP/1.1\r\nHost: x\r\n"},
		{what: "HTTP, half a body", port: m.s.port, first: call + admin + "\r\n\r\n{"},
		{what: "HTTP, half a body of nobody", port: m.s.port, first: call + "\r\n\r\n{"},
		{what: "a worker of agents, silent", port: m.s.port, first: upgrade + admin + "\r\n\r\n"},
		{what: "a worker of agents, half a message", port: m.s.port, first: upgrade + admin + "\r\n\r\n\x82\xff\x00"},
		{what: "ICE-TCP, silent", port: m.s.tcpPort},
		{what: "ICE-TCP, half a packet", port: m.s.tcpPort, first: "\x01\x00\x00\x01"},
	}
	for i := range kinds {
		c := &kinds[i]
		for range connections {
			conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", c.port))
			m.must(err)
			defer conn.Close()
			_, err = io.WriteString(conn, c.first)
			m.must(err)
			c.open.Add(1)
			ended.Go(func() {
				defer c.open.Add(-1)
				_, _ = io.Copy(io.Discard, conn) // until the server ends it
			})
		}
	}
	m.wantAlive()
	m.enter("newcomer").leave(true)
	m.wantBounded(3*len(kinds)*connections, 64<<20)
	for i := range kinds {
		m.s.poll("the server to end what is "+kinds[i].what, func() error {
			if n := kinds[i].open.Load(); n > 0 {
				return fmt.Errorf("%d are open", n)
			}
			return nil
		})
	}
}

// A client whose signal connection is dead, without a word, is noticed because it
// answers no pings; its media, and everybody else, go on.
func TestHalfOpenSignalConnectionIsNoticed(t *testing.T) {
	t.Parallel() // it waits most of the time
	m := newMeeting(t)
	wire := newDeadWire(t, fmt.Sprintf("127.0.0.1:%d", m.s.port))
	far := newGuests("http://" + wire.addr)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := far.enter(ctx, "demo", "far", true)
	m.must(err)
	defer g.leave(false)
	m.must(g.await(ctx, g.active))
	m.s.poll("it to hear the speaker", func() error {
		if g.hears(1) == 0 {
			return fmt.Errorf("nothing yet")
		}
		return nil
	})
	wire.dead.Store(true)
	m.wantLogged("client does not answer pings")
	heard := g.packets()
	m.s.poll("its media to go on", func() error {
		if n := g.packets(); n < heard+10 {
			return fmt.Errorf("%d packets, from %d", n, heard)
		}
		return nil
	})
	m.wantAlive()
}

// deadWire carries TCP connections until it is dead; then it takes what comes from
// both ends and tells neither.
type deadWire struct {
	addr string
	dead atomic.Bool
}

func newDeadWire(t *testing.T, to string) *deadWire {
	t.Helper()
	w := new(deadWire)
	carry := func(from, to net.Conn) {
		defer from.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if w.dead.Load() {
				if err != nil {
					return
				}
				continue
			}
			if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
				_ = to.Close()
				return
			}
		}
	}
	w.addr = relay(t, to, func(near, far net.Conn) []func() {
		return []func(){func() { carry(near, far) }, func() { carry(far, near) }}
	}).String()
	return w
}

// relay listens in the place of a server, and runs what carries each connection
// between a client, which is near, and the server, until the test ends.
func relay(t *testing.T, to string, carriers func(near, far net.Conn) []func()) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.DialTimeout("tcp4", to, time.Minute)
			if err != nil {
				_ = near.Close()
				continue
			}
			for _, carry := range carriers(near, far) {
				running.Go(carry)
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}
