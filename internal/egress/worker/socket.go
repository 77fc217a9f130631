package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/rollcall-rtc/rollcall/internal/egress/mix"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

const (
	dialPatience  = 10 * time.Second
	writePatience = 10 * time.Second
	closePatience = 3 * time.Second
	// goodbyePatience is how long the receiver may take to answer the goodbye.
	goodbyePatience = 2 * time.Second
	pingEvery       = 30 * time.Second
	// maxUnsent is how many messages may wait for a receiver that is slow: ten seconds.
	maxUnsent = 500
)

// socket sends samples to a WebSocket, signed, of 16 bits, little-endian, of both
// channels in turn, or of one if the URL has channels=1 in its query. Between them go
// texts that tell of mutes.
type socket struct {
	conn *websocket.Conn
	mono bool

	sendc  chan message
	donec  chan struct{} // closed when the goroutine is done
	end    context.CancelFunc
	mu     sync.Mutex
	failed error
}

type message struct {
	kind websocket.MessageType
	data []byte
}

// dialSocket connects. The address is that which was found to be allowed, whatever
// the name is by now.
func dialSocket(d wire.Destination) (*socket, error) {
	u, err := url.Parse(d.URL)
	if err != nil {
		return nil, fmt.Errorf("connect to the WebSocket: %w", withoutURL(err))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if d.Address != "" {
			address = d.Address
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, d.URL, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"Content-Type": {fmt.Sprintf("audio/x-raw;rate=%d", mix.Rate)}},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the WebSocket: %w", withoutURL(err))
	}
	s := &socket{conn: conn, mono: u.Query().Get("channels") == "1", sendc: make(chan message, maxUnsent), donec: make(chan struct{})}
	running, end := context.WithCancel(context.Background())
	s.end = end
	go s.run(conn.CloseRead(running)) // which answers pings
	return s, nil
}

// withoutURL is why something failed without the URL, whose query may be secret and
// which errors of net/http and net/url hold.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return withoutURL(e.Err)
	}
	return err
}

// run sends until the end, or until the receiver is gone.
func (s *socket) run(ctx context.Context) {
	defer close(s.donec)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	fail := func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = fmt.Errorf("send to the WebSocket: %w", err)
	}
	for {
		select {
		case m, ok := <-s.sendc:
			if !ok {
				return
			}
			late, cancel := context.WithTimeout(ctx, writePatience)
			err := s.conn.Write(late, m.kind, m.data)
			cancel()
			if err != nil {
				fail(err)
				return
			}
		case <-ping.C:
			late, cancel := context.WithTimeout(ctx, writePatience)
			err := s.conn.Ping(late)
			cancel()
			if err != nil {
				fail(err)
				return
			}
		case <-ctx.Done():
			fail(fmt.Errorf("its receiver has closed it"))
			return
		}
	}
}

func (s *socket) send(m message) error {
	s.mu.Lock()
	err := s.failed
	s.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case s.sendc <- m:
	case <-s.donec:
	default: // a receiver that is so slow loses sound
	}
	return nil
}

// pcm sends a block of both channels.
func (s *socket) pcm(block []int16) error {
	b := make([]byte, 0, 2*len(block))
	for i := 0; i < len(block); i += mix.Channels {
		if s.mono {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16((int(block[i])+int(block[i+1]))/2)))
			continue
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(block[i]))
		b = binary.LittleEndian.AppendUint16(b, uint16(block[i+1]))
	}
	return s.send(message{websocket.MessageBinary, b})
}

// muted tells whether anything comes.
func (s *socket) muted(muted bool) error {
	return s.send(message{websocket.MessageText, fmt.Appendf(nil, `{"muted":%t}`, muted)})
}

// close sends what waits, and says goodbye.
func (s *socket) close() error {
	close(s.sendc)
	sent := true
	select {
	case <-s.donec:
	case <-time.After(closePatience):
		sent = false
	}
	s.mu.Lock()
	err := s.failed
	s.mu.Unlock()
	if err == nil && sent {
		// Its end closes the connection, and with that what Close waits for.
		late := time.AfterFunc(goodbyePatience, s.end)
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
		late.Stop()
	}
	s.end()
	_ = s.conn.CloseNow()
	<-s.donec
	return err
}
