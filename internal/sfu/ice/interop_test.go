package ice

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/ice/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const patience = 10 * time.Second

// server is an Agent with a socket, on one goroutine.
type server struct {
	t     *testing.T
	a     *Agent
	conn  *net.UDPConn
	datac chan string
	pathc chan Path
	donec chan struct{}

	answerc chan struct{} // closed after the first
	once    sync.Once

	mu   sync.Mutex
	ways map[netip.AddrPort]*way // mu guards
	due  time.Time               // mu guards; of the next Tick
}

func newServer(t *testing.T, change func(*Options)) *server {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, conn: conn, ways: map[netip.AddrPort]*way{}}
	s.datac, s.pathc = make(chan string, 16), make(chan Path, 16)
	s.donec, s.answerc = make(chan struct{}), make(chan struct{})
	o := Options{Local: ours, Selected: func(p Path) { s.pathc <- p }, Paths: func(addr netip.AddrPort) []Path { return []Path{s.way(addr)} }}
	if change != nil {
		change(&o)
	}
	s.a = New(o)
	go s.run()
	t.Cleanup(func() {
		_ = conn.Close()
		<-s.donec
	})
	return s
}

func (s *server) way(addr netip.AddrPort) *way {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.ways[addr]
	if w == nil {
		w = &way{addr: addr}
		s.ways[addr] = w
	}
	return w
}

func (s *server) Send(p Path, b []byte) {
	_, _ = s.conn.WriteToUDPAddrPort(b, p.Addr())
	if m, ok := stun.Parse(b); ok && m.Kind == stun.Success {
		s.once.Do(func() { close(s.answerc) })
	}
}

// run reads, and ticks when a read has waited long enough.
func (s *server) run() {
	defer close(s.donec)
	b := make([]byte, 2000)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		var next time.Time
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.wait(time.Time{})
			next = s.a.Tick(time.Now(), s)
		case err != nil:
			return
		case b[0] > 3:
			s.datac <- string(b[:n])
			continue
		default:
			next = s.a.Handle(b[:n], s.way(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), time.Now(), s)
		}
		s.want(next)
	}
}

// wait has a Tick come at that time, or earlier if that was wanted before; zero says
// that it has come.
func (s *server) wait(next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.IsZero() || s.due.IsZero() || next.Before(s.due) {
		s.due = next
		_ = s.conn.SetReadDeadline(next)
	}
}

// want is wait for what the Agent says, which does not call a Tick off.
func (s *server) want(next time.Time) {
	if !next.IsZero() {
		s.wait(next)
	}
}

// candidate is the server's, as pion takes it.
func (s *server) candidate() pion.Candidate {
	addr := s.conn.LocalAddr().(*net.UDPAddr)
	c, err := pion.NewCandidateHost(&pion.CandidateHostConfig{Network: "udp", Address: addr.IP.String(), Port: addr.Port, Component: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// client is pion's agent.
type client struct {
	t          *testing.T
	a          *pion.Agent
	candidates []pion.Candidate
}

func newClient(t *testing.T) *client {
	t.Helper()
	a, err := pion.NewAgentWithOptions(
		pion.WithNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4}), pion.WithCandidateTypes([]pion.CandidateType{pion.CandidateTypeHost}),
		pion.WithIncludeLoopback(), pion.WithIPFilter(func(ip net.IP) bool { return ip.IsLoopback() }),
		pion.WithMulticastDNSMode(pion.MulticastDNSModeDisabled), pion.WithLocalCredentials("theirUfrag", theirs.Password),
	)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, a: a}
	t.Cleanup(func() { _ = a.Close() })
	c.gather()
	return c
}

func (c *client) gather() {
	c.t.Helper()
	c.candidates = nil
	donec := make(chan struct{})
	if err := c.a.OnCandidate(func(one pion.Candidate) {
		if one == nil {
			close(donec)
			return
		}
		c.candidates = append(c.candidates, one)
	}); err != nil {
		c.t.Fatal(err)
	}
	if err := c.a.GatherCandidates(); err != nil {
		c.t.Fatal(err)
	}
	<-donec
}

func (c *client) credentials() Credentials {
	ufrag, password, err := c.a.GetLocalUserCredentials()
	if err != nil {
		c.t.Fatal(err)
	}
	return Credentials{Ufrag: ufrag, Password: password}
}

// tell tells the server of the client's candidates.
func (c *client) tell(s *server) {
	for _, one := range c.candidates {
		addr := netip.AddrPortFrom(netip.MustParseAddr(one.Address()), uint16(one.Port()))
		s.want(s.a.AddCandidate(addr, one.Priority(), time.Now(), s))
	}
}

// selected waits for the server's path.
func (s *server) selected() Path {
	s.t.Helper()
	select {
	case p := <-s.pathc:
		return p
	case <-time.After(patience):
		s.t.Fatal("no path")
		return nil
	}
}

// talk has both say something.
func (s *server) talk(conn net.Conn, path Path) {
	s.t.Helper()
	if _, err := conn.Write([]byte("to the server")); err != nil {
		s.t.Fatal(err)
	}
	if got := <-s.datac; got != "to the server" {
		s.t.Errorf("the server hears %q", got)
	}
	s.Send(path, []byte("to the client"))
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "to the client" {
		s.t.Errorf("the client hears %q, %v", b[:n], err)
	}
}

func TestPionConnects(t *testing.T) {
	for _, c := range []struct {
		name                 string
		change               func(*Options)
		controls             bool // the client begins in control
		tellServer, tellPion bool
		late                 bool // the client hears of the server first
	}{
		{name: "controlled", controls: true, tellServer: true, tellPion: true},
		{name: "controlled, by its checks only", controls: true, tellPion: true},
		{name: "controlled, by ours only", controls: true, tellServer: true},
		{name: "controlled, late", controls: true, tellServer: true, tellPion: true, late: true},
		{name: "controlling", change: controlling, tellServer: true, tellPion: true},
		{name: "controlling, by its checks only", change: controlling, tellPion: true},
		{name: "controlling, by ours only", change: controlling, tellServer: true},
		{name: "controlling, late", change: controlling, tellPion: true, late: true},
		{name: "lite", change: lite, controls: true, tellPion: true},
		{name: "both in control", change: controlling, controls: true, tellServer: true, tellPion: true},
		{name: "none in control", tellServer: true, tellPion: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := newServer(t, c.change), newClient(t)
			if s.a.opts.Lite {
				if err := p.a.SetRemoteICELite(true); err != nil {
					t.Fatal(err)
				}
			}
			begin := func() {
				s.want(s.a.Start(p.credentials(), false, time.Now(), s))
				if c.tellServer {
					p.tell(s)
				}
			}
			if !c.late {
				begin()
			}
			if c.tellPion {
				if err := p.a.AddRemoteCandidate(s.candidate()); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			connect := p.a.StartAccept
			if c.controls {
				connect = p.a.StartDial
			}
			conn, err := connect(ours.Ufrag, ours.Password)
			if err != nil {
				t.Fatal(err)
			}
			if c.late {
				<-s.answerc
				begin()
			}
			path := s.selected()
			if err := p.a.AwaitConnect(ctx); err != nil {
				t.Fatal(err)
			}
			if s.a.Path() != path || s.a.Searching() || !s.a.Answered() {
				t.Error("not connected")
			}
			s.talk(conn, path)
		})
	}
}

func TestPionRestarts(t *testing.T) {
	s, p := newServer(t, controlling), newClient(t)
	s.want(s.a.Start(p.credentials(), false, time.Now(), s))
	if err := p.a.AddRemoteCandidate(s.candidate()); err != nil {
		t.Fatal(err)
	}
	conn, err := p.a.StartAccept(ours.Ufrag, ours.Password)
	if err != nil {
		t.Fatal(err)
	}
	first := s.selected()
	if err := p.a.AwaitConnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.talk(conn, first)

	s.a.Restart(ours2)
	if err := p.a.Restart("theirSecond", theirs2.Password); err != nil {
		t.Fatal(err)
	}
	if err := p.a.SetRemoteCredentials(ours2.Ufrag, ours2.Password); err != nil {
		t.Fatal(err)
	}
	p.gather()
	if err := p.a.AddRemoteCandidate(s.candidate()); err != nil {
		t.Fatal(err)
	}
	s.want(s.a.Start(p.credentials(), false, time.Now(), s))
	second := s.selected()
	if second == first {
		t.Error("the client has another socket now")
	}
	s.talk(conn, second)
}
