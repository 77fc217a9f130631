package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/transport/v5/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// MaxMessageSize is the longest data message we take and send.
const MaxMessageSize = 65536

// receiveMTU is larger than what any client sends in one datagram.
const receiveMTU = 1500

// Factory makes connections. They share its sockets and its certificate.
type Factory struct {
	// immutable
	opts     Options
	config   webrtc.Configuration
	engine   webrtc.SettingEngine
	media    *webrtc.MediaEngine // of subscribers
	udpMux   ice.UDPMux
	udpConns []*net.UDPConn
	tcpMux   *tcpMux
	tcpLs    []*net.TCPListener

	// extensions maps an up-track to the ids its publisher uses, by URI, so
	// that a subscriber elsewhere can translate them.
	extensions sync.Map // *uptrack.UpTrack -> map[string]uint8

	mu         sync.Mutex
	publishers map[string]*webrtc.MediaEngine // mu guards; by what is enabled
	conns      map[*conn]struct{}             // mu guards
	closed     bool                           // mu guards
}

// NewFactory binds the sockets. An address that cannot be bound is a
// *ListenError.
func NewFactory(opts Options) (*Factory, error) {
	f := &Factory{
		opts:       opts.withDefaults(),
		publishers: map[string]*webrtc.MediaEngine{},
		conns:      map[*conn]struct{}{},
	}
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
		// Header encryption would hide the extensions we forward by.
		RTPHeaderEncryptionPolicy: webrtc.RTPHeaderEncryptionPolicyDisable,
	}
	addrs, err := localAddresses(f.opts)
	if err != nil {
		return err
	}
	if err := f.listen(addrs); err != nil {
		return err
	}
	if err := f.configureEngine(addrs); err != nil {
		return err
	}
	f.media, err = newMediaEngine(nil, true, subscriberExtensions)
	return err
}

// subscriberAPI returns the API for one connection, whose feedback goes to g.
func (f *Factory) subscriberAPI(g *budget) *webrtc.API {
	engine := f.engine
	engine.BufferFactory = func(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
		return newInbox(kind, g)
	}
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(f.media),
		webrtc.WithSettingEngine(engine),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	)
}

func (f *Factory) listen(addrs []netip.Addr) error {
	logs := pionLogs{f.opts.Logger}
	if f.opts.UDPPortRange[1] == 0 {
		conns, err := listenUDP(addrs, f.opts.UDPPort)
		if err != nil {
			return err
		}
		f.udpConns = conns
		f.udpMux = newUDPMux(conns, logs)
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
	if f.udpMux != nil {
		e.SetICEUDPMux(f.udpMux)
	} else {
		err := e.SetEphemeralUDPPortRange(f.opts.UDPPortRange[0], f.opts.UDPPortRange[1])
		if err != nil {
			return fmt.Errorf("UDP port range: %w", err)
		}
	}
	if f.tcpMux != nil {
		e.SetICETCPMux(f.tcpMux)
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
	if f.opts.NodeIP != "" {
		if _, err := netip.ParseAddr(f.opts.NodeIP); err != nil {
			return fmt.Errorf("node address: %w", err)
		}
		err := e.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External:        []string{f.opts.NodeIP},
			AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode:            webrtc.ICEAddressRewriteReplace,
		})
		if err != nil {
			return fmt.Errorf("node address: %w", err)
		}
	}
	e.SetICETimeouts(f.opts.DisconnectedTimeout, f.opts.FailedTimeout, f.opts.KeepaliveInterval)
	// Take the first pair that works: clients that hide their addresses are
	// known by their checks alone, and each wait costs a whole check interval
	// (200 ms) of every join. Over TCP the first check comes a round trip later
	// than over UDP, so UDP wins where it works.
	e.SetHostAcceptanceMinWait(0)
	e.SetSrflxAcceptanceMinWait(0)
	e.SetPrflxAcceptanceMinWait(0)
	if f.opts.ICELite {
		e.SetLite(true)
		// A lite agent is passive in everything; Chrome insists on it.
		if err := e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
			return err
		}
	}
	e.SetSRTPProtectionProfiles(
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	)
	// Retransmissions without RTX repeat a sequence number.
	e.DisableSRTPReplayProtection(true)
	e.DisableSRTCPReplayProtection(true)
	e.SetReceiveMTU(receiveMTU)
	e.SetSCTPMaxMessageSize(MaxMessageSize)
	e.SetIgnoreRidPauseForRecv(true)
	return nil
}

// publisherAPI returns the API whose codecs are the enabled ones. If g is not
// nil the connection sends too, and feedback on that goes there.
func (f *Factory) publisherAPI(enabled []string, g *budget) (*webrtc.API, error) {
	media, err := f.publisherMedia(enabled, g != nil)
	if err != nil {
		return nil, err
	}
	engine := f.engine
	if g != nil {
		engine.BufferFactory = func(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
			return newInbox(kind, g)
		}
	}
	registry := &interceptor.Registry{}
	registry.Add(feedbackFactory{})
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithSettingEngine(engine),
		webrtc.WithInterceptorRegistry(registry),
	), nil
}

// publisherMedia is made once for each choice; connections copy it.
func (f *Factory) publisherMedia(enabled []string, remb bool) (*webrtc.MediaEngine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprint(strings.ToLower(strings.Join(enabled, " ")), remb)
	if media, ok := f.publishers[key]; ok {
		return media, nil
	}
	media, err := newMediaEngine(enabled, remb, publisherExtensions)
	if err != nil {
		return nil, err
	}
	f.publishers[key] = media
	return media, nil
}

// UDPAddr returns the address of the shared UDP port, nil if there is none.
// With several addresses it is the first of them.
func (f *Factory) UDPAddr() *net.UDPAddr {
	if len(f.udpConns) == 0 {
		return nil
	}
	return f.udpConns[0].LocalAddr().(*net.UDPAddr)
}

// TCPAddr returns the address of the ICE-TCP port, nil if there is none.
func (f *Factory) TCPAddr() *net.TCPAddr {
	if len(f.tcpLs) == 0 {
		return nil
	}
	return f.tcpLs[0].Addr().(*net.TCPAddr)
}

// Close closes every connection, waits for them, and closes the sockets.
func (f *Factory) Close() error {
	f.mu.Lock()
	f.closed = true
	conns := make([]*conn, 0, len(f.conns))
	for c := range f.conns {
		conns = append(conns, c)
	}
	f.mu.Unlock()
	for _, c := range conns {
		c.Stop()
	}
	for _, c := range conns {
		<-c.donec
	}
	return f.closeSockets()
}

func (f *Factory) closeSockets() error {
	var errs []error
	if f.udpMux != nil {
		errs = append(errs, f.udpMux.Close())
	}
	for _, c := range f.udpConns {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
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
	delete(f.conns, c)
}

func (f *Factory) extensionsOf(up *uptrack.UpTrack) map[string]uint8 {
	ids, _ := f.extensions.Load(up)
	m, _ := ids.(map[string]uint8)
	return m
}
