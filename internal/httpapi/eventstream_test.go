package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// pipes is a listener whose connections have no buffer and obey the clock of a
// synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dial requests path and returns the connection, from which nothing is read.
func (p *pipes) dial(t *testing.T, path string, headers ...string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p.conns <- server
	request := "GET " + path + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + mint(t, eventsGrant()) + "\r\n" +
		strings.Join(headers, "\r\n") + "\r\n"
	if len(headers) > 0 {
		request += "\r\n"
	}
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	return client
}

// readResponse reads a whole answer.
func readResponse(t *testing.T, conn net.Conn) string {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return text(t, resp)
}

// inBubble serves the API of log in a bubble, while f runs.
func inBubble(t *testing.T, log *memLog, draining chan struct{}, f func(t *testing.T, p *pipes)) {
	synctest.Test(t, func(t *testing.T) { serveInBubble(t, log, draining, f) })
}

// serveInBubble serves the API in the bubble that it is called in, while f runs.
func serveInBubble(t *testing.T, log *memLog, draining chan struct{}, f func(t *testing.T, p *pipes), change ...func(*Options)) {
	rooms := newMemRooms()
	log.grown = make(chan struct{}) // of this bubble
	o := Options{
		Keys: token.Keys{testKey: testSecret}, Rooms: rooms, Participants: rooms, Log: log,
		Consumers: NewConsumers(&memStore{values: map[string][]byte{}}),
		Signal:    http.NotFoundHandler(), Agents: new(memAgents), Draining: draining,
	}
	for _, c := range change {
		c(&o)
	}
	server := NewServer(NewHandler(o), discard())
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p) }()
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	}()
	f(t, p)
}

func TestSilentStreamIsKeptAlive(t *testing.T) {
	for _, tc := range []struct {
		name, accept, query string
		want                func(seq int) string
	}{
		{"SSE", "text/event-stream", "", func(seq int) string { return fmt.Sprintf(": keep-alive\n\nid: %d\n\n", seq) }},
		{"NDJSON", "application/x-ndjson", "", func(int) string { return "\n" }},
		{"NDJSON with cursors", "application/x-ndjson", "&cursors=true", func(seq int) string { return fmt.Sprintf("{\"cursor\":%d}\n", seq) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := newMemLog()
			inBubble(t, log, nil, func(t *testing.T, p *pipes) {
				conn := p.dial(t, "/events?room=den"+tc.query, "Accept: "+tc.accept)
				defer func() { _ = conn.Close() }()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for n := 1; n <= 3; n++ {
					want := tc.want(2 * n)
					got := make([]byte, len(want))
					// The events of another room wake the stream, but are not seen on it.
					for range 2 {
						time.Sleep(time.Second)
						log.append("attic", `{}`)
					}
					if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
						t.Fatalf("read %q, %v; want %q", got, err, want)
					}
					if silent := time.Since(start); silent != time.Duration(n)*keepAlive {
						t.Errorf("keep-alive %d after %s", n, silent)
					}
				}
			})
		})
	}
}

func TestStreamFromNowOnKeepsThatPlace(t *testing.T) {
	log := newMemLog()
	log.append("den", `{}`, `{}`)
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		conn := p.dial(t, "/events?after=now&types=room_finished", "Accept: text/event-stream")
		defer func() { _ = conn.Close() }()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("id: 2\n\n"))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "id: 2\n\n" {
			t.Errorf("read %q, %v; want the place to come back to", got, err)
		}
	})
}

func TestSlowReaderCostsOnlyItself(t *testing.T) {
	log := newMemLog()
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		slow := p.dial(t, "/events")
		defer func() { _ = slow.Close() }()
		quick := p.dial(t, "/events", "Accept: application/x-ndjson")
		defer func() { _ = quick.Close() }()
		resp, err := http.ReadResponse(bufio.NewReader(quick), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		start := time.Now()
		for n := uint64(1); n <= 50; n++ {
			log.append("den", `{}`)
			if !lines.Scan() || lines.Text() != line(n, "den", "{}") {
				t.Fatalf("line %d is %q, %v", n, lines.Text(), lines.Err())
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the quick reader waited %s", took)
		}

		// The slow one, which reads nothing at all, is cut off in time: the other
		// end of its pipe is closed.
		time.Sleep(writeTimeout)
		synctest.Wait()
		if err := slow.SetReadDeadline(time.Now().Add(time.Second)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the slow reader still has its connection: %v", err)
		}
	})
}

func TestStreamEndsWithItsClient(t *testing.T) {
	log := newMemLog()
	// A stream that stays would be a goroutine that the bubble waits for.
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		conn := p.dial(t, "/events")
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		synctest.Wait()
	})
}

func TestUntilClosedEndsWithEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		live, stop := untilClosed(t.Context(), closed)
		close(closed)
		synctest.Wait()
		if live.Err() == nil {
			t.Error("the context outlives the channel")
		}
		stop()

		ctx, cancel := context.WithCancel(t.Context())
		live, stop = untilClosed(ctx, nil)
		if live.Err() != nil {
			t.Error("a nil channel is closed")
		}
		cancel()
		if live.Err() == nil {
			t.Error("the context outlives its parent")
		}
		stop()
	})
}

// A connection that served something else before its stream, and serves on
// after it, must not inherit the stream's write deadline.
func TestStreamLeavesNoDeadlineBehind(t *testing.T) {
	log := newMemLog()
	log.append("den", `{}`)
	drained := make(chan struct{})
	close(drained)
	inBubble(t, log, drained, func(t *testing.T, p *pipes) {
		conn := p.dial(t, "/events")
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for i := range 2 {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("response %d: %v", i, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatalf("response %d: %v", i, err)
			}
			if i > 0 {
				break
			}
			time.Sleep(2 * writeTimeout)
			if _, err := fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A stream has no end, so that of a HEAD, which has no body, would be waited for by
// whatever is asked next on the connection.
func TestHeadOfAStreamIsItsHeadersAndNoMore(t *testing.T) {
	log := newMemLog()
	log.append("den", `{}`)
	inBubble(t, log, nil, func(t *testing.T, p *pipes) {
		client, server := net.Pipe()
		p.conns <- server
		defer func() { _ = client.Close() }()
		_ = client.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReader(client)
		for _, head := range []string{"", "Accept: application/x-ndjson\r\n"} {
			request := "HEAD /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + mint(t, eventsGrant()) + "\r\n" + head + "\r\n"
			if _, err := io.WriteString(client, request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodHead})
			if err != nil {
				t.Fatal(err)
			}
			if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || (ct == "text/event-stream") != (head == "") {
				t.Errorf("%d, %s", resp.StatusCode, ct)
			}
		}
		if _, err := io.WriteString(client, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("what is asked next: %v, %v", resp, err)
		}
	})
}
