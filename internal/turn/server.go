package turn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/tcp"

	"github.com/pion/turn/v5"
)

// Server is a running relay.
type Server struct {
	opts  Options                   // immutable
	log   *slog.Logger              // immutable
	urls  []string                  // immutable
	peers map[netip.Addr]netip.Addr // immutable; media addresses as clients know them -> local
	pion  *turn.Server              // immutable
	udp   []*front                  // immutable
	tcp   []net.Listener            // immutable

	counters counters

	mu          sync.Mutex
	closed      bool                 // mu guards
	sessions    map[string]*session  // mu guards; by participant sid
	byAddress   map[netip.Prefix]int // mu guards; allocations
	streams     map[string]*stream   // mu guards; by streamKey
	streamsFrom map[netip.Prefix]int // mu guards
	open        int                  // mu guards; relays
}

// Start binds the ports and serves them until Close.
func Start(opts Options) (*Server, error) {
	s := &Server{
		opts: opts.withDefaults(), peers: map[netip.Addr]netip.Addr{},
		sessions: map[string]*session{}, byAddress: map[netip.Prefix]int{},
		streams: map[string]*stream{}, streamsFrom: map[netip.Prefix]int{},
	}
	s.log = s.opts.Logger
	if err := s.listen(); err != nil {
		s.closeSockets()
		return nil, fmt.Errorf("start TURN: %w", err)
	}
	return s, nil
}

func (s *Server) listen() error {
	o := s.opts
	switch {
	case o.UDPPort == 0 && o.TLSPort == 0:
		return ErrNoPorts
	case len(o.Media) == 0 || o.MediaPorts[1] == 0:
		return ErrNoAddress
	}
	for _, m := range o.Media {
		for _, name := range append([]netip.Addr{m.Local}, m.Advertised...) {
			if _, taken := s.peers[name]; !taken {
				s.peers[name] = m.Local
			}
		}
	}
	config := turn.ServerConfig{
		Realm: realm, LoggerFactory: pionLogs{s.log}, InboundMTU: maxPacket,
		AuthHandler: s.authenticate, QuotaHandler: s.admitAllocation,
		EventHandler: turn.EventHandler{
			OnAuth: s.authenticated, OnAllocationCreated: s.allocated, OnAllocationDeleted: s.deallocated,
			OnChannelCreated: s.bound, OnChannelDeleted: s.unbound,
		},
	}
	if o.UDPPort != 0 {
		if err := s.listenUDP(); err != nil {
			return err
		}
	}
	for _, f := range s.udp {
		config.PacketConnConfigs = append(config.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: f, RelayAddressGenerator: generator{s, f}, PermissionHandler: s.permits,
		})
	}
	if o.TLSPort != 0 {
		if err := s.listenTLS(); err != nil {
			return err
		}
	}
	for _, l := range s.tcp {
		config.ListenerConfigs = append(config.ListenerConfigs, turn.ListenerConfig{
			Listener: l, RelayAddressGenerator: generator{s, nil}, PermissionHandler: s.permits,
		})
	}
	s.urls = s.addresses()
	var err error
	s.pion, err = turn.NewServer(config)
	return err
}

// listenUDP binds the UDP port on each media address, so that answers leave
// from the address that was asked.
func (s *Server) listenUDP() error {
	port := uint16(max(s.opts.UDPPort, 0))
	for _, m := range s.opts.Media {
		at := netip.AddrPortFrom(m.Local, port)
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return fmt.Errorf("listen on UDP %s: %w", at, err)
		}
		f, err := newFront(conn)
		s.udp = append(s.udp, f)
		if err != nil {
			return fmt.Errorf("listen on UDP %s: %w", at, err)
		}
		port = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	return nil
}

func (s *Server) listenTLS() error {
	for _, l := range s.opts.Shared {
		s.tcp = append(s.tcp, &streamListener{Listener: l, server: s, closed: make(chan struct{})})
	}
	if len(s.opts.Shared) > 0 {
		return nil
	}
	var config *tls.Config
	if !s.opts.ExternalTLS {
		if s.opts.Certificate == nil {
			return ErrNoCertificate
		}
		config = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.opts.Certificate}
	}
	addresses := s.opts.BindAddresses
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	port := max(s.opts.TLSPort, 0)
	for _, address := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if err != nil {
			return fmt.Errorf("listen on TCP port %d for TLS: %w", port, err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		s.tcp = append(s.tcp, &streamListener{Listener: tcp.Wrap(l), server: s, tls: config, closed: make(chan struct{})})
	}
	return nil
}

// maxURLs is how many addresses clients are told: each makes them try for longer.
const maxURLs = 4

// addresses are the URLs of RFC 7065 that clients are told.
func (s *Server) addresses() []string {
	var urls []string
	if len(s.udp) > 0 {
		port := s.udp[0].LocalAddr().(*net.UDPAddr).AddrPort().Port()
		for _, m := range s.opts.Media {
			url := fmt.Sprintf("turn:%s?transport=udp", netip.AddrPortFrom(m.Advertised[0], port))
			if len(urls) < maxURLs && !slices.Contains(urls, url) {
				urls = append(urls, url)
			}
		}
	}
	if len(s.tcp) > 0 {
		port := s.tcp[0].Addr().(*net.TCPAddr).Port
		if s.opts.ExternalTLS {
			port = 443
		}
		urls = append(urls, fmt.Sprintf("turns:%s:%d?transport=tcp", s.opts.Domain, port))
	}
	return urls
}

// permits says whether a client may exchange packets with an address at all;
// the relay checks the port, of each packet.
func (s *Server) permits(_ net.Addr, peer net.IP) bool {
	addr, _ := netip.AddrFromSlice(peer)
	if _, ok := s.peers[addr.Unmap()]; ok {
		return true
	}
	s.counters.forbidden.Add(1)
	return false
}

func (s *Server) refused(err error) {
	if errors.Is(err, errQuota) {
		s.counters.overQuota.Add(1)
		return
	}
	s.counters.failed.Add(1)
	s.log.Debug("TURN allocation refused", "error", err)
}

// Addrs returns where the UDP and the TLS port are; nil if there is none.
func (s *Server) Addrs() (udp, tcp net.Addr) {
	if len(s.udp) > 0 {
		udp = s.udp[0].LocalAddr()
	}
	if len(s.tcp) > 0 {
		tcp = s.tcp[0].Addr()
	}
	return udp, tcp
}

// Close ends every allocation and connection, and closes the ports. It may be
// called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	sids := make([]string, 0, len(s.sessions))
	for sid := range s.sessions {
		sids = append(sids, sid)
	}
	streams := make([]*stream, 0, len(s.streams))
	for _, c := range s.streams {
		streams = append(streams, c)
	}
	s.mu.Unlock()
	for _, sid := range sids {
		s.Revoke(sid)
	}
	err := s.closeSockets()
	for _, c := range streams {
		_ = c.Close()
	}
	return err
}

func (s *Server) closeSockets() error {
	var errs []error
	closeOne := func(c io.Closer) {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, c := range s.udp {
		closeOne(c)
	}
	for _, l := range s.tcp {
		closeOne(l)
	}
	return errors.Join(errs...)
}
