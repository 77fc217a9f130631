package signal

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// wire is the way between a client and the server: cut it, and what either side
// writes vanishes, and neither hears that the other is gone.
type wire struct {
	net.Conn
	once sync.Once
	cutc chan struct{}
}

func (w *wire) cut() { w.once.Do(func() { close(w.cutc) }) }

func (w *wire) Write(b []byte) (int, error) {
	select {
	case <-w.cutc:
		return len(b), nil
	default:
		return w.Conn.Write(b)
	}
}

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	donec chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.donec:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.donec) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// silentMedia is of a client whose transport never comes up.
type silentMedia struct{ room.Media }

func (silentMedia) NewSubscriber(peer.SubscriberOptions) (room.Subscriber, error) {
	return silentPeer{}, nil
}

type silentPeer struct{ room.Subscriber }

func (silentPeer) Negotiate() {}

func (silentPeer) Begin() (string, uint32, bool) { return "", 0, false }
func (silentPeer) Look()                         {}
func (silentPeer) Stop() bool                    { return true }

// bubble is a handler whose connections are in memory, and whose time is.
type bubble struct {
	*testing.T
	handler *Handler
	client  *http.Client
	w       *wire // of the last connection

	mu    sync.Mutex
	ended []livekit.DisconnectReason // mu guards
}

func inBubble(t *testing.T, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t}
		reg := room.NewRegistry(room.Options{
			Media: silentMedia{}, ServerInfo: &livekit.ServerInfo{Version: "1.9.0"},
			Publish: func(events ...event.Event) uint64 {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, e := range events {
					if e.Name == event.ParticipantConnectionAborted {
						b.ended = append(b.ended, e.Participant.DisconnectReason)
					}
				}
				return 1
			},
		})
		b.handler = NewHandler(Options{Rooms: reg, Keys: token.Keys{key: secret}})
		listener := &pipes{conns: make(chan net.Conn), donec: make(chan struct{})}
		server := &http.Server{Handler: b.handler}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener)
		}()
		b.client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			b.w = &wire{Conn: there, cutc: make(chan struct{})}
			listener.conns <- b.w
			return here, nil
		}}}
		f(b)
		_ = server.Close()
		<-served
		if err := reg.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = b.handler.Close(context.Background())
		b.client.CloseIdleConnections()
	})
}

// want says how many connections are open, and how sessions have ended.
func (b *bubble) want(connections int, ended ...livekit.DisconnectReason) {
	b.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.handler.Stats().Connections; n != connections || !slices.Equal(b.ended, ended) {
		b.Errorf("%d connections, ended %v; want %d and %v", n, b.ended, connections, ended)
	}
}

const joinURL = "http://rollcall/rtc?protocol=16&access_token="

func TestClientWhoseConnectionVanishesSilentlyIsNoticed(t *testing.T) {
	inBubble(t, func(b *bubble) {
		conn, _, err := websocket.Dial(context.Background(), joinURL+mint(t, "alice", nil),
			&websocket.DialOptions{HTTPClient: b.client})
		if err != nil {
			b.Fatal(err)
		}
		// While the client is there, it stays.
		reading, stop := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, _, err := conn.Read(reading); err != nil {
					return
				}
			}
		}()
		time.Sleep(15 * time.Second)
		b.want(1)

		// The ping goes out and nothing comes back; then there are some last words to
		// wait for.
		b.w.cut()
		time.Sleep(2*b.handler.opts.PingInterval + lastWords + time.Second)
		b.want(0, livekit.DisconnectReason_SIGNAL_CLOSE)

		stop()
		_ = conn.CloseNow()
		<-gone
	})
}

// A client that is cut off in the middle of a message has its goodbye, and is not waited
// for if it neither goes on nor closes.
func TestClientThatStopsWithinAMessageThatIsTooLongIsNotWaitedFor(t *testing.T) {
	inBubble(t, func(b *bubble) {
		req, err := http.NewRequest(http.MethodGet, joinURL+mint(t, "alice", nil), nil)
		if err != nil {
			b.Fatal(err)
		}
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			req.Header.Set(name, value)
		}
		resp, err := b.client.Do(req)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			b.Fatal(resp, err)
		}
		conn := resp.Body.(io.ReadWriteCloser)
		heard := make(chan []byte)
		go func() {
			all, _ := io.ReadAll(conn)
			heard <- all
		}()
		// A frame of a GiB, masked with zeros, of which a little more comes than is read.
		_, err = conn.Write(append([]byte{0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, make([]byte, maxMessage+1)...))
		if err != nil {
			b.Error(err)
		}
		b.want(1, livekit.DisconnectReason_STATE_MISMATCH)
		time.Sleep(15 * time.Second)
		b.want(0, livekit.DisconnectReason_STATE_MISMATCH)
		if all := <-heard; !bytes.Contains(all, []byte(errTooLong.Error())) {
			b.Errorf("the client has heard %q", all)
		}
		_ = conn.Close()
	})
}
