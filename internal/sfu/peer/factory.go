package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	dtlscurve "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	pion "github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// MaxMessageSize is the longest data message we take and send.
const MaxMessageSize = 65536

// firstRetransmission is how long a lost flight of a handshake is waited for at
// first, and twice as long each time after that.
const firstRetransmission = 200 * time.Millisecond

// receiveMTU is larger than what any client sends in one datagram.
const receiveMTU = 1500

// Factory makes connections. They share its sockets and its certificate.
type Factory struct {
	// immutable
	opts   Options
	config webrtc.Configuration
	engine webrtc.SettingEngine
	addrs  []MediaAddr
	mux    *transport.Mux // nil with a range of ports
	net    *stdnet.Net
	tcpMux *tcpMux
	tcpLs  []*net.TCPListener
	clock  clock // of media
	rounds *rounds

	subscriberMedia *webrtc.MediaEngine
	drafts          [2]*draft // of first offers, the second with ICE-lite; nil: pion makes each

	// extensions maps an up-track to the ids its publisher uses, by URI, so
	// that a subscriber elsewhere can translate them.
	extensions sync.Map // *uptrack.UpTrack -> map[string]uint8

	reminded atomic.Uint64 // clients, of offers that they owed

	mu         sync.Mutex
	publishers map[string]*webrtc.MediaEngine // mu guards; by what is enabled
	conns      map[*conn]struct{}             // mu guards
	closed     bool                           // mu guards
	past       Traffic                        // mu guards; of connections that are gone
	lost       [2][2]uint64                   // mu guards; audio and video, in and out, as told last
}

// NewFactory binds the sockets. An address that cannot be bound is a
// *ListenError.
func NewFactory(opts Options) (*Factory, error) {
	f := &Factory{
		opts:       opts.withDefaults(),
		clock:      newClock(),
		publishers: map[string]*webrtc.MediaEngine{},
		conns:      map[*conn]struct{}{},
	}
	f.rounds = newRounds(f.opts.KeepaliveInterval)
	if err := f.configure(); err != nil {
		f.closeSockets()
		return nil, fmt.Errorf("make connections: %w", err)
	}
	return f, nil
}

func (f *Factory) configure() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return err
	}
	f.config = webrtc.Configuration{
		ICEServers:   f.opts.pionServers(),
		Certificates: []webrtc.Certificate{*certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
		SDPSemantics: webrtc.SDPSemanticsUnifiedPlan,
		// Offers have a section for data, though pion knows of no channel.
		AlwaysNegotiateDataChannels: true,
		// Header encryption would hide the extensions we forward by.
		RTPHeaderEncryptionPolicy: webrtc.RTPHeaderEncryptionPolicyDisable,
	}
	addrs, err := localAddresses(f.opts)
	if err != nil {
		return err
	}
	if f.addrs, err = advertised(addrs, f.opts); err != nil {
		return err
	}
	if err := f.listen(addrs); err != nil {
		return err
	}
	if err := f.configureEngine(addrs); err != nil {
		return err
	}
	if f.subscriberMedia, err = newMediaEngine(nil, true, subscriberExtensions); err != nil {
		return err
	}
	f.makeDrafts()
	return nil
}

// apiFor returns a pion that makes one connection, without its packets.
func (f *Factory) apiFor(c *conn, media *webrtc.MediaEngine) *webrtc.API {
	e, p := f.engine, &c.packets
	e.SetLite(f.opts.ICELite && !c.fullICE)
	if a := c.ahead; a != nil {
		e.SetICECredentials(a.ufrag, a.pwd)
	}
	c.followRebound(&e)
	switch {
	case c.tcpOnly && f.tcpMux != nil:
		e.SetNet(f.net)
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	case f.mux != nil:
		e.SetNet(f.net) // else each agent would ask the kernel for its interfaces
		e.SetICEUDPMux(p.link)
	default:
		e.SetNet(adoptingNet{f.net, p.link})
	}
	if f.tcpMux != nil {
		e.SetICETCPMux(p.link.Streams(f.tcpMux))
	}
	e.SetDTLSKeyLogWriter(&p.keys)
	e.SetDTLSServerHelloMessageHook(p.keys.helloHook)
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithSettingEngine(e),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	)
}

// adoptingNet opens sockets of a connection's own, and keeps their media from
// pion.
type adoptingNet struct {
	*stdnet.Net
	link *transport.Link
}

// ListenUDP implements transport.Net of pion.
func (n adoptingNet) ListenUDP(network string, at *net.UDPAddr) (pion.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return adoptedUDP{c, n.link.Adopt(c, false)}, nil
}

type adoptedUDP struct {
	pion.UDPConn
	adopted net.PacketConn
}

// ReadFrom implements net.PacketConn.
func (c adoptedUDP) ReadFrom(b []byte) (int, net.Addr, error) { return c.adopted.ReadFrom(b) }

// WriteTo implements net.PacketConn.
func (c adoptedUDP) WriteTo(b []byte, to net.Addr) (int, error) { return c.adopted.WriteTo(b, to) }

// Close implements net.PacketConn.
func (c adoptedUDP) Close() error { return c.adopted.Close() }

func (f *Factory) listen(addrs []netip.Addr) error {
	logs := pionLogs{f.opts.Logger}
	if f.opts.UDPPortRange[1] == 0 {
		mux, err := listenUDP(addrs, f.opts.UDPPort)
		if err != nil {
			return err
		}
		f.mux = mux
	}
	if f.opts.TCPPort != 0 {
		ls, err := listenTCP(addrs, f.opts.TCPPort)
		if err != nil {
			return err
		}
		f.tcpLs = ls
		f.tcpMux = newTCPMux(ls, logs)
	}
	return nil
}

func (f *Factory) configureEngine(addrs []netip.Addr) error {
	e := &f.engine
	e.LoggerFactory = pionLogs{f.opts.Logger}
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	n, err := stdnet.NewNet()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	f.net = n
	if f.mux == nil {
		err := e.SetEphemeralUDPPortRange(f.opts.UDPPortRange[0], f.opts.UDPPortRange[1])
		if err != nil {
			return fmt.Errorf("UDP port range: %w", err)
		}
	}
	if f.tcpMux != nil {
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	e.SetNetworkTypes(networks)
	e.DisableActiveTCP(true)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetIncludeLoopbackCandidate(slices.ContainsFunc(addrs, netip.Addr.IsLoopback))
	e.SetIPFilter(func(ip net.IP) bool {
		addr, ok := netip.AddrFromSlice(ip)
		return ok && slices.Contains(addrs, addr.Unmap())
	})
	if rules := rewriteRules(f.addrs); len(rules) > 0 {
		if err := e.SetICEAddressRewriteRules(rules...); err != nil {
			return fmt.Errorf("advertised addresses: %w", err)
		}
	}
	e.SetICETimeouts(0, 0, 0) // a connection's vigil has them
	// Take the first pair that works: clients that hide their addresses are
	// known by their checks alone, and each wait costs a whole check interval
	// (200 ms) of every join. Over TCP the first check comes a round trip later
	// than over UDP, so UDP wins where it works.
	e.SetHostAcceptanceMinWait(0)
	e.SetSrflxAcceptanceMinWait(0)
	e.SetPrflxAcceptanceMinWait(0)
	// The server of a handshake chooses the cipher for media. Chrome insists on it
	// with a lite agent.
	if err := e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return err
	}
	// A handshake begins at an address that ICE has checked, so the cookie that
	// proves it again (RFC 6347 §4.2.1) would only cost a round trip.
	e.SetDTLSInsecureSkipHelloVerify(true)
	e.SetDTLSRetransmissionInterval(firstRetransmission)
	// All clients have the first one (RFC 8827 §6.5). pion would take X25519 of those who
	// name it first, which takes Go nearly twice as long.
	e.SetDTLSEllipticCurves(dtlscurve.P256, dtlscurve.P384)
	// What data is sealed with. Every client has the first (RFC 8827 §6.5).
	e.SetDTLSCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
	e.SetSRTPProtectionProfiles(
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	)
	e.SetReceiveMTU(receiveMTU)
	e.SetSCTPMaxMessageSize(MaxMessageSize)
	e.SetIgnoreRidPauseForRecv(true)
	return nil
}

// publisherMedia returns the enabled codecs. Clients without transport-wide
// feedback tell their own estimate of what they can be sent on a connection that is
// duplex.
func (f *Factory) publisherMedia(enabled []string, duplex bool) (*webrtc.MediaEngine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprint(strings.ToLower(strings.Join(enabled, " ")), duplex)
	if media, ok := f.publishers[key]; ok {
		return media, nil
	}
	exts := publisherExtensions
	if duplex {
		exts = append(slices.Clip(exts), playoutDelay)
	}
	media, err := newMediaEngine(enabled, duplex, exts)
	if err != nil {
		return nil, err
	}
	f.publishers[key] = media
	return media, nil
}

// UDPAddr returns the address of the shared UDP port, nil if there is none.
// With several addresses it is the first of them.
func (f *Factory) UDPAddr() *net.UDPAddr {
	if f.mux == nil {
		return nil
	}
	return net.UDPAddrFromAddrPort(f.mux.LocalAddrs()[0])
}

// TCPAddr returns the address of the ICE-TCP port, nil if there is none.
func (f *Factory) TCPAddr() *net.TCPAddr {
	if len(f.tcpLs) == 0 {
		return nil
	}
	return f.tcpLs[0].Addr().(*net.TCPAddr)
}

// Close closes every connection, waits for them within ctx, and closes the sockets.
func (f *Factory) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	conns := make([]*conn, 0, len(f.conns))
	for c := range f.conns {
		conns = append(conns, c)
	}
	f.mu.Unlock()
	for _, c := range conns {
		go c.Close()
	}
	return errors.Join(ended(ctx, conns), f.closeSockets())
}

// ended waits for the end of connections.
func ended(ctx context.Context, conns []*conn) error {
	for i, c := range conns {
		if isClosed(c.donec) {
			continue
		}
		select {
		case <-c.donec:
		case <-ctx.Done():
			return fmt.Errorf("%d connections have not ended: %w", len(conns)-i, context.Cause(ctx))
		}
	}
	return nil
}

func (f *Factory) closeSockets() error {
	var errs []error
	if f.mux != nil {
		errs = append(errs, f.mux.Close())
	}
	if f.tcpMux != nil {
		errs = append(errs, f.tcpMux.Close())
	}
	return errors.Join(errs...)
}

func (f *Factory) register(c *conn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.conns[c] = struct{}{}
	return nil
}

func (f *Factory) unregister(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.conns[c]; ok {
		delete(f.conns, c)
		gone := c.tally.traffic()
		gone.Audio.In.Tracks, gone.Audio.Out.Tracks = 0, 0
		gone.Video.In.Tracks, gone.Video.Out.Tracks = 0, 0
		f.past.Audio.add(gone.Audio)
		f.past.Video.add(gone.Video)
	}
}

func (f *Factory) extensionsOf(up *uptrack.UpTrack) map[string]uint8 {
	ids, _ := f.extensions.Load(up)
	m, _ := ids.(map[string]uint8)
	return m
}
