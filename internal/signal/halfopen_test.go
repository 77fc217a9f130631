package signal

import (
	"context"
	"net"
	"net/http"
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

func TestClientWhoseConnectionVanishesSilentlyIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ended []livekit.DisconnectReason
		reg := room.NewRegistry(room.Options{
			Media: silentMedia{}, ServerInfo: &livekit.ServerInfo{Version: "1.9.0"},
			Publish: func(events ...event.Event) uint64 {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range events {
					if e.Name == event.ParticipantConnectionAborted {
						ended = append(ended, e.Participant.DisconnectReason)
					}
				}
				return 1
			},
		})
		handler := NewHandler(Options{Rooms: reg, Keys: token.Keys{key: secret}})
		listener := &pipes{conns: make(chan net.Conn), donec: make(chan struct{})}
		server := &http.Server{Handler: handler}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener)
		}()

		var w *wire
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			w = &wire{Conn: there, cutc: make(chan struct{})}
			listener.conns <- w
			return here, nil
		}}}
		began := time.Now()
		conn, _, err := websocket.Dial(context.Background(), "http://rollcall/rtc?protocol=16&access_token="+mint(t, "alice", nil),
			&websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
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
		synctest.Wait()
		mu.Lock()
		if n := handler.Stats().Connections; n != 1 || len(ended) != 0 {
			t.Errorf("after %v: %d connections, ended %v", time.Since(began), n, ended)
		}
		mu.Unlock()

		// The ping goes out and nothing comes back; then there are some last words to
		// wait for.
		w.cut()
		time.Sleep(2*handler.opts.PingInterval + lastWords + time.Second)
		synctest.Wait()
		if n := handler.Stats().Connections; n != 0 {
			t.Errorf("%d connections are still open", n)
		}
		mu.Lock()
		if len(ended) != 1 || ended[0] != livekit.DisconnectReason_SIGNAL_CLOSE {
			t.Errorf("ended %v", ended)
		}
		mu.Unlock()

		stop()
		_ = conn.CloseNow()
		<-gone
		_ = server.Close()
		<-served
		if err := reg.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = handler.Close(context.Background())
		client.CloseIdleConnections()
	})
}
