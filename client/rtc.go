package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	// A path is given up sooner than pion does, and later than a glitch lasts.
	iceDisconnected = 5 * time.Second
	iceFailed       = 10 * time.Second
	iceKeepalive    = 2 * time.Second
)

// direction says which way media goes on a connection.
type direction uint8

const (
	sends direction = 1 << iota
	receives
)

// connector makes a room's peer connections.
type connector struct {
	// immutable
	opts        *Options
	certificate webrtc.Certificate
	loopback    bool // the server is on this machine
}

func newConnector(opts *Options, server target) (*connector, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	host := server.base.Hostname()
	ip := net.ParseIP(host)
	return &connector{
		opts: opts, certificate: *certificate,
		loopback: host == "localhost" || ip != nil && ip.IsLoopback(),
	}, nil
}

// connect makes a connection that knows the given servers.
func (c *connector) connect(d direction, servers []*livekit.ICEServer, relayOnly bool) (*webrtc.PeerConnection, error) {
	media, interceptors := new(webrtc.MediaEngine), new(interceptor.Registry)
	if err := c.configureMedia(media, interceptors, d); err != nil {
		return nil, err
	}
	engine := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}}
	engine.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	engine.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	engine.SetIncludeLoopbackCandidate(c.loopback)
	if len(c.opts.NetworkTypes) > 0 {
		engine.SetNetworkTypes(c.opts.NetworkTypes)
	}
	if c.opts.RelayOnly || relayOnly {
		engine.SetRelayAcceptanceMinWait(0) // there is nothing better to wait for
	}
	if c.opts.Configure != nil {
		c.opts.Configure(&engine)
	}
	config := webrtc.Configuration{
		Certificates: []webrtc.Certificate{c.certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
		ICEServers:   append(iceServers(servers), c.opts.ICEServers...),
	}
	if c.opts.RelayOnly || relayOnly {
		config.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(engine), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors))
	return api.NewPeerConnection(config)
}

func (c *connector) configureMedia(m *webrtc.MediaEngine, r *interceptor.Registry, d direction) error {
	asleep := new(interceptor.Registry)
	r.Add(headersFactory{}) // the first is the nearest to the socket
	r.Add(dormantFactory{asleep})
	err := errors.Join(
		registerCodecs(m, c.opts.Codecs, c.opts.RED),
		m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio),
		webrtc.ConfigureSimulcastExtensionHeaders(m),
		webrtc.ConfigureNack(m, asleep),
	)
	if err != nil {
		return err
	}
	if d&sends != 0 {
		sender, err := report.NewSenderInterceptor()
		if err != nil {
			return err
		}
		asleep.Add(sender)
	}
	if d&receives != 0 {
		receiver, err := report.NewReceiverInterceptor()
		if err != nil {
			return err
		}
		asleep.Add(receiver)
		// The server learns from our feedback how much it may send.
		return webrtc.ConfigureTWCCSender(m, asleep)
	}
	return nil
}

func iceServers(servers []*livekit.ICEServer) []webrtc.ICEServer {
	var all []webrtc.ICEServer
	for _, s := range servers {
		one := webrtc.ICEServer{URLs: s.GetUrls(), Username: s.GetUsername()}
		if s.GetCredential() != "" {
			one.Credential = s.GetCredential()
		}
		if relay := strings.HasPrefix(strings.Join(s.GetUrls(), ""), "turn"); relay && one.Username == "" {
			continue // pion would refuse all of them
		}
		if len(one.URLs) > 0 {
			all = append(all, one)
		}
	}
	return all
}
