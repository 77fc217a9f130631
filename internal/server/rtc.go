package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/external"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/turn"
)

// externalTimeout is how long STUN servers may take at the start.
const externalTimeout = 5 * time.Second

// defaultSTUN is asked for the external address if no other server is named.
const defaultSTUN = "stun.l.google.com:19302"

// openMedia binds the media sockets.
func (s *Server) openMedia(ctx context.Context) error {
	rtc := s.cfg.RTC
	opts := peer.Options{
		UDPPort:            rtc.UDPPort,
		UDPPortRange:       [2]uint16{uint16(rtc.PortRangeStart), uint16(rtc.PortRangeEnd)},
		TCPPort:            rtc.TCPPort,
		BindAddresses:      s.cfg.BindAddresses,
		NodeIPs:            rtc.NodeIPs,
		AdvertiseInternal:  rtc.AdvertiseInternalIP,
		LoopbackCandidates: rtc.LoopbackCandidates,
		ICELite:            rtc.ICELite,
		DataLimit:          peer.DataLimit{Messages: s.cfg.Limit.DataMessages, Bytes: s.cfg.Limit.DataBytes},
		MediaBits:          s.cfg.Limit.MediaBits,
		KeepInterface:      keepName(rtc.Interfaces),
		KeepIP:             keepIP(rtc.IPs),
		Logger:             s.log,
	}
	if rtc.UseExternalIP {
		addrs, err := peer.LocalAddresses(opts)
		if err != nil {
			return s.explainMedia(err)
		}
		opts.External = s.discover(ctx, addrs)
	}
	var err error
	s.media, err = peer.NewFactory(opts)
	return s.explainMedia(err)
}

// explainMedia adds to an error of the media sockets what one does about it.
func (s *Server) explainMedia(err error) error {
	rtc := s.cfg.RTC
	taken, listening := errors.AsType[*peer.ListenError](err)
	switch {
	case listening && taken.Network == "tcp":
		return fmt.Errorf("bind TCP port %d for media (choose another with rtc.tcp_port, --tcp-port or ROLLCALL_RTC_TCP_PORT): %w", rtc.TCPPort, err)
	case listening && rtc.PortRangeStart == 0:
		return fmt.Errorf("bind UDP port %d for media (choose another with rtc.udp_port, --udp-port or ROLLCALL_RTC_UDP_PORT): %w", rtc.UDPPort, err)
	case !errors.Is(err, peer.ErrNoAddress):
		return err
	case len(s.cfg.BindAddresses) > 0:
		return fmt.Errorf("%w: of bind_addresses this machine has none that rtc.interfaces and rtc.ips let it use", err)
	case rtc.LoopbackCandidates:
		return fmt.Errorf("%w: rtc.interfaces and rtc.ips leave none of this machine's", err)
	}
	return fmt.Errorf("%w: but for loopback ones this machine has none that rtc.interfaces and rtc.ips let it use; "+
		"rtc.enable_loopback_candidate: true, or --dev, is for clients on this machine itself", err)
}

// discover asks as what the addresses are known outside that node_ip does not
// say it of.
func (s *Server) discover(ctx context.Context, addrs []netip.Addr) map[netip.Addr]netip.Addr {
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		return a.IsLoopback() || slices.ContainsFunc(s.cfg.RTC.NodeIPs, func(text string) bool {
			node, err := netip.ParseAddr(text)
			return err == nil && node.Unmap().Is4() == a.Is4()
		})
	})
	servers := s.cfg.RTC.STUNServers
	if len(servers) == 0 {
		servers = []string{defaultSTUN}
	}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	return external.Discover(ctx, addrs, servers, s.log)
}

// openRelay starts TURN, if it is wanted.
func (s *Server) openRelay() error {
	t := s.cfg.TURN
	if !t.Enabled {
		return nil
	}
	certificate, err := s.turnCertificate()
	if err != nil {
		return err
	}
	opts := turn.Options{
		MediaPorts: s.media.MediaPorts(), UDPPort: t.UDPPort, TLSPort: t.TLSPort,
		BindAddresses: t.BindAddresses, Domain: t.Domain, Certificate: certificate, Shared: s.turnConns,
		ExternalTLS: t.ExternalTLS, RelayPorts: [2]uint16{uint16(t.RelayRangeStart), uint16(t.RelayRangeEnd)},
		Limits: turn.Limits{PerParticipant: t.MaxAllocations, PerAddress: t.MaxAddressAllocations, Bitrate: int64(t.MaxBitrate)},
		Logger: s.log,
	}
	if len(opts.BindAddresses) == 0 {
		opts.BindAddresses = s.cfg.BindAddresses
	}
	if opts.Limits.Bitrate == 0 {
		opts.Limits.Bitrate = -1
	}
	for _, m := range s.media.MediaAddrs() {
		opts.Media = append(opts.Media, turn.MediaAddr(m))
	}
	if s.relay, err = turn.Start(opts); err != nil {
		return err
	}
	udp, tls := s.relay.Addrs()
	s.log.Info("TURN is up", "udp", udp, "tls", tls)
	return nil
}

// relayOf is the relay as rooms know it; nil if there is none.
func relayOf(s *turn.Server) room.Relay {
	if s == nil {
		return nil
	}
	return relay{s}
}

type relay struct{ *turn.Server }

func (r relay) Admit(sid string) []*livekit.ICEServer {
	c := r.Server.Admit(sid)
	return []*livekit.ICEServer{{Urls: c.URLs, Username: c.Username, Credential: c.Password}}
}

// iceServers is what clients are told; nothing unless it was configured.
func iceServers(rtc config.RTC) []*livekit.ICEServer {
	var servers []*livekit.ICEServer
	for _, s := range rtc.STUNServers {
		servers = append(servers, &livekit.ICEServer{Urls: []string{"stun:" + s}})
	}
	for _, t := range rtc.TURNServers {
		url := fmt.Sprintf("turn:%s:%d?transport=%s", t.Host, t.Port, t.Protocol)
		if t.Protocol == "tls" {
			url = fmt.Sprintf("turns:%s:%d?transport=tcp", t.Host, t.Port)
		}
		servers = append(servers, &livekit.ICEServer{Urls: []string{url}, Username: t.Username, Credential: t.Credential})
	}
	return servers
}

// keepName is the filter of interface names; nil keeps all.
func keepName(f config.Filter) func(string) bool {
	if len(f.Includes) == 0 && len(f.Excludes) == 0 {
		return nil
	}
	matches := func(name string) func(string) bool {
		return func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return err == nil && ok
		}
	}
	return func(name string) bool {
		if len(f.Includes) > 0 {
			return slices.ContainsFunc(f.Includes, matches(name))
		}
		return !slices.ContainsFunc(f.Excludes, matches(name))
	}
}

// keepIP is the filter of addresses, by CIDR; nil keeps all.
func keepIP(f config.Filter) func(net.IP) bool {
	if len(f.Includes) == 0 && len(f.Excludes) == 0 {
		return nil
	}
	contains := func(ip net.IP) func(string) bool {
		return func(cidr string) bool {
			_, network, err := net.ParseCIDR(cidr)
			return err == nil && network.Contains(ip)
		}
	}
	return func(ip net.IP) bool {
		if len(f.Includes) > 0 {
			return slices.ContainsFunc(f.Includes, contains(ip))
		}
		return !slices.ContainsFunc(f.Excludes, contains(ip))
	}
}
