package client_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/deadline"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// cable is the network between one client and its server, in this process: every
// UDP socket and every TCP connection that the client makes goes through it.
type cable struct {
	*stdnet.Net // immutable; whatever is not impaired
	t           *testing.T

	mu      sync.Mutex
	chance  *rand.Rand            // mu guards
	weather weather               // mu guards
	clearc  chan struct{}         // mu guards; closed while the cable carries
	host    net.IP                // mu guards; what the server sees the client at
	sockets map[*cableSocket]bool // mu guards
	streams map[*cableStream]bool // mu guards
	running sync.WaitGroup        // of the goroutines that carry
}

// weather is what happens to what is on its way, in either direction.
type weather struct {
	loss   float64       // of datagrams, from 0 to 1
	delay  time.Duration // of everything
	jitter time.Duration // more delay of datagrams, at most; they overtake one another
	down   bool          // datagrams are lost, and streams stand still
}

// rough is worse than what people are willing to talk over.
var rough = weather{loss: 0.05, delay: 250 * time.Millisecond, jitter: 100 * time.Millisecond}

func newCable(t *testing.T, seed uint64) *cable {
	t.Helper()
	n, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{
		Net: n, t: t, chance: rand.New(rand.NewPCG(seed, seed)), clearc: make(chan struct{}), host: net.IPv4(127, 0, 0, 1),
		sockets: map[*cableSocket]bool{}, streams: map[*cableStream]bool{},
	}
	close(c.clearc)
	t.Cleanup(func() {
		c.set(weather{})
		c.reset()
		c.running.Wait()
	})
	return c
}

// through has a client use the cable for all that it sends.
func (c *cable) through(o *client.Options) {
	dialer := &net.Dialer{}
	o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return c.dial(ctx, dialer, network, address)
	}}}
	o.NetworkTypes = []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	o.Configure = func(e *webrtc.SettingEngine) {
		e.SetNet(c)
		e.SetIPFilter(func(ip net.IP) bool { return ip.Equal(net.IPv4(127, 0, 0, 1)) })
	}
}

// set changes the weather.
func (c *cable) set(w weather) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.down && !c.weather.down {
		c.clearc = make(chan struct{})
	}
	if !w.down && c.weather.down {
		close(c.clearc)
	}
	c.weather = w
}

// reset ends all streams, as an operating system does whose device has gone.
func (c *cable) reset() {
	for _, s := range c.open() {
		s.end()
	}
}

func (c *cable) open() []*cableStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.streams))
}

// rebind has the server see the client's datagrams come from another address, as
// when a router forgets its table.
func (c *cable) rebind(host net.IP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.host = host
	for s := range c.sockets {
		c.expose(s)
	}
}

// move gives the client another address: whatever it has open by now is dead, and
// nobody tells it.
func (c *cable) move(host net.IP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.host = host
	for s := range c.sockets {
		s.dead = true
	}
	for s := range c.streams {
		s.dead = true
	}
}

// fate says whether a datagram arrives, and when.
func (c *cable) fate() (arrives bool, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.weather
	if w.down || c.chance.Float64() < w.loss {
		return false, 0
	}
	if w.jitter > 0 {
		delay = time.Duration(c.chance.Int64N(int64(w.jitter)))
	}
	return true, w.delay + delay
}

// latency is how long a chunk of a stream takes; what is lost is sent again.
func (c *cable) latency() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance.Float64() < c.weather.loss {
		return 2*c.weather.delay + 200*time.Millisecond
	}
	return c.weather.delay
}

// carry does fn for a datagram that arrives, when it does.
func (c *cable) carry(fn func()) {
	switch arrives, delay := c.fate(); {
	case !arrives:
	case delay == 0:
		fn()
	default:
		time.AfterFunc(delay, fn)
	}
}

// ListenUDP implements transport.Net.
func (c *cable) ListenUDP(network string, address *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := net.ListenUDP(network, address)
	if err != nil {
		return nil, err
	}
	s := &cableSocket{
		UDPConn: conn, cable: c, inbox: make(chan datagram, 4096), closedc: make(chan struct{}), deadline: deadline.New(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets[s] = true
	s.outside = conn
	if !c.host.Equal(net.IPv4(127, 0, 0, 1)) {
		c.expose(s)
	} else {
		c.running.Go(func() { s.receive(conn) })
	}
	return s, nil
}

// expose has the socket appear at the client's address, on another port. The caller
// holds mu.
func (c *cable) expose(s *cableSocket) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: c.host})
	if err != nil {
		c.t.Errorf("rebind: %v", err)
		return
	}
	if s.outside != s.UDPConn {
		_ = s.outside.Close()
	}
	s.outside = conn
	c.running.Go(func() { s.receive(conn) })
}

type datagram struct {
	data []byte
	from net.Addr
}

// cableSocket is a client's UDP socket.
type cableSocket struct {
	transport.UDPConn // immutable; where the client believes it is
	cable             *cable
	inbox             chan datagram
	closedc           chan struct{}
	deadline          *deadline.Deadline
	once              sync.Once

	// cable.mu guards
	outside *net.UDPConn // where the server sees it
	dead    bool
}

// receive carries what comes to conn while that is the socket's outside.
func (s *cableSocket) receive(conn *net.UDPConn) {
	for {
		buf := make([]byte, 2048)
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if s.at() != conn {
			continue // what is sent to where the client was is lost
		}
		s.cable.carry(func() {
			select {
			case s.inbox <- datagram{buf[:n], from}:
			default: // as from a full buffer
			}
		})
	}
}

// at is where the server sees the socket; nil if nowhere.
func (s *cableSocket) at() *net.UDPConn {
	s.cable.mu.Lock()
	defer s.cable.mu.Unlock()
	if s.dead {
		return nil
	}
	return s.outside
}

func (s *cableSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-s.inbox:
		return copy(b, d.data), d.from, nil
	case <-s.closedc:
		return 0, nil, net.ErrClosed
	case <-s.deadline.Done():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (s *cableSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-s.closedc:
		return 0, net.ErrClosed
	default:
	}
	data := append([]byte(nil), b...)
	s.cable.carry(func() {
		if conn := s.at(); conn != nil {
			_, _ = conn.WriteTo(data, to)
		}
	})
	return len(b), nil
}

func (s *cableSocket) SetDeadline(at time.Time) error     { return s.SetReadDeadline(at) }
func (s *cableSocket) SetReadDeadline(at time.Time) error { s.deadline.Set(at); return nil }
func (s *cableSocket) SetWriteDeadline(time.Time) error   { return nil }

func (s *cableSocket) Close() error {
	s.once.Do(func() {
		close(s.closedc)
		s.cable.mu.Lock()
		defer s.cable.mu.Unlock()
		delete(s.cable.sockets, s)
		_ = s.outside.Close()
		_ = s.UDPConn.Close()
	})
	return nil
}

// cableStream is a client's TCP connection.
type cableStream struct {
	cable           *cable
	inside, outside net.Conn
	endedc          chan struct{}
	once            sync.Once
	dead            bool // cable.mu guards; nothing is carried any more, and neither end knows
}

func (c *cable) dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	select {
	case <-c.clear():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	outside, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	mine, inside := net.Pipe()
	s := &cableStream{cable: c, inside: inside, outside: outside, endedc: make(chan struct{})}
	c.mu.Lock()
	c.streams[s] = true
	c.mu.Unlock()
	c.running.Go(func() { s.carry(inside, outside) })
	c.running.Go(func() { s.carry(outside, inside) })
	return mine, nil
}

// clear is closed while the cable carries.
func (c *cable) clear() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clearc
}

// chunk is what one read gave, and when it is to arrive.
type chunk struct {
	data []byte
	at   time.Time
}

// carry takes from one end to the other, in order.
func (s *cableStream) carry(from, to net.Conn) {
	queue := make(chan chunk, 1024)
	s.cable.running.Go(func() {
		defer close(queue)
		buf := make([]byte, 16<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			delay := s.cable.latency()
			select {
			case queue <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(delay)}:
			case <-s.endedc:
				return
			}
		}
	})
	for {
		select {
		case next, more := <-queue:
			if !more {
				if !s.isDead() {
					s.end()
				}
				return
			}
			s.wait(next.at)
			if s.isDead() {
				continue
			}
			if _, err := to.Write(next.data); err != nil {
				s.end()
			}
		case <-s.endedc:
			return
		}
	}
}

// wait returns when something arrives that is due at a time.
func (s *cableStream) wait(at time.Time) {
	select {
	case <-time.After(time.Until(at)):
	case <-s.endedc:
	}
	select {
	case <-s.cable.clear():
	case <-s.endedc:
	}
}

func (s *cableStream) isDead() bool {
	s.cable.mu.Lock()
	defer s.cable.mu.Unlock()
	return s.dead
}

// end closes both ends.
func (s *cableStream) end() {
	s.once.Do(func() {
		close(s.endedc)
		_ = s.inside.Close()
		_ = s.outside.Close()
		s.cable.mu.Lock()
		defer s.cable.mu.Unlock()
		delete(s.cable.streams, s)
	})
}
