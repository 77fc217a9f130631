package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// Request is what a client publishes as.
type Request struct {
	App    string // the path of its URL, without the last part
	Key    string // the last part, which nobody may read in a log
	Remote netip.AddrPort
	TLS    bool
	Client string // what it says it is, such as "FMLE/3.0"
}

// Handler decides who may publish.
type Handler interface {
	// Publish returns where media of a client goes. The error's text is told to the
	// client; ErrKey counts against its address. ctx ends with the connection.
	Publish(ctx context.Context, r Request) (Publication, error)
}

// Publication takes the messages of one client, by one goroutine.
type Publication interface {
	// Audio and Video take bodies of tags, valid during the call, with their time
	// since the client's beginning. An error ends the connection.
	Audio(at time.Duration, body []byte) error
	Video(at time.Duration, body []byte) error
	// Done is closed when the server has ended it: then the connection is closed.
	Done() <-chan struct{}
	// Close is called once, last. A nil cause is an end that the client said.
	Close(cause error)
}

// What a Handler may answer.
var (
	// ErrKey says that there is no stream of this key.
	ErrKey = errors.New("no stream has this key")
)

// Options are those of a Server. The zero value of a limit is its default.
type Options struct {
	Handler Handler
	Logger  *slog.Logger
	TLS     *tls.Config // if set, every connection speaks TLS

	// PublishTimeout is how long a connection may take until it publishes: 10 s.
	PublishTimeout time.Duration
	// IdleTimeout is how long nothing at all may come from a publisher: 30 s.
	IdleTimeout time.Duration
	// MaxConnections bounds connections, and MaxPerAddress those of one address, or
	// of one /64 of IPv6: 1000 and 50.
	MaxConnections, MaxPerAddress int
	// Of wrong keys, an address may try WrongKeys at once, then one more each
	// WrongKeyEvery: 10 and 6 s. After that it is not let in.
	WrongKeys     int
	WrongKeyEvery time.Duration
}

// A Server accepts publishers.
type Server struct {
	o       Options // immutable
	guesses *rate.Keyed[netip.Prefix]

	mu       sync.Mutex
	open     map[net.Conn]netip.Prefix  // mu guards
	of       map[netip.Prefix]int       // mu guards
	barred   map[netip.Prefix]time.Time // mu guards: until when
	closing  bool                       // mu guards
	lastGone time.Time                  // mu guards: when barred was swept
	stats    Stats                      // mu guards

	conns sync.WaitGroup
}

// Stats counts connections.
type Stats struct {
	Open       int    // now
	Accepted   uint64 // since the start
	Refused    uint64 // for there were too many, or of a barred address
	WrongKeys  uint64
	Publishing int // now
	Malformed  uint64
}

// New returns a server.
func New(o Options) *Server {
	def(&o.PublishTimeout, 10*time.Second)
	def(&o.IdleTimeout, 30*time.Second)
	def(&o.MaxConnections, 1000)
	def(&o.MaxPerAddress, 50)
	def(&o.WrongKeys, 10)
	def(&o.WrongKeyEvery, 6*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{
		o:       o,
		guesses: rate.NewKeyed[netip.Prefix](1/o.WrongKeyEvery.Seconds(), float64(o.WrongKeys)),
		open:    make(map[net.Conn]netip.Prefix),
		of:      make(map[netip.Prefix]int),
		barred:  make(map[netip.Prefix]time.Time),
	}
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Serve accepts connections until ctx ends or the listener fails, closes them, and
// returns when the last is gone.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		s.closeAll()
	})
	defer stop()
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // no descriptor is left, or the client is gone
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		wait = 0
		if !s.admit(c) {
			_ = c.Close()
			continue
		}
		s.conns.Go(func() {
			defer s.leave(c)
			s.serveConn(ctx, c)
		})
	}
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for c := range s.open {
		_ = c.Close()
	}
}

// admit says whether a connection may stay.
func (s *Server) admit(c net.Conn) bool {
	net := network(remote(c))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.sweep(now)
	if s.closing || len(s.open) >= s.o.MaxConnections || s.of[net] >= s.o.MaxPerAddress || now.Before(s.barred[net]) {
		s.stats.Refused++
		return false
	}
	s.open[c] = net
	s.of[net]++
	s.stats.Accepted++
	return true
}

func (s *Server) leave(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	net := s.open[c]
	delete(s.open, c)
	if s.of[net]--; s.of[net] == 0 {
		delete(s.of, net)
	}
}

// sweep forgets addresses that are let in again.
func (s *Server) sweep(now time.Time) {
	if now.Sub(s.lastGone) < time.Second {
		return
	}
	s.lastGone = now
	for net, until := range s.barred {
		if now.After(until) {
			delete(s.barred, net)
		}
	}
}

// wrongKey counts a wrong key, and bars an address that has used up its own.
func (s *Server) wrongKey(addr netip.AddrPort) {
	net, now := network(addr), time.Now()
	more := s.guesses.Take(net, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.WrongKeys++
	if !more {
		s.barred[net] = now.Add(s.o.WrongKeyEvery)
	}
}

func (s *Server) isBarred(addr netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.barred[network(addr)])
}

// Stats returns what has been counted.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Open = len(s.open)
	return st
}

func (s *Server) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func remote(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// network is what counts as one address: a host of IPv6 has a whole /64.
func network(a netip.AddrPort) netip.Prefix {
	bits := 32
	if a.Addr().Is6() {
		bits = 64
	}
	p, _ := a.Addr().Prefix(bits)
	return p
}
