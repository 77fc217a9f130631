package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// clients make participants, which share a certificate: making one for each
// would only burn the load generator's CPU.
type clients struct {
	// immutable
	url         string // http://…
	certificate webrtc.Certificate
}

func newClients(url string) (*clients, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	return &clients{url: url, certificate: *certificate}, nil
}

// client is one participant, as a light SDK: a signal connection, a connection
// to receive with, and one to publish with if it does.
type client struct {
	*clients
	signal   *signalConn
	identity string
	joined   time.Duration // from dialling to the JoinResponse

	connected chan struct{} // closed when it can receive
	ended     chan struct{} // closed when the goroutines are to end
	endOnce   sync.Once
	running   sync.WaitGroup

	sub       *webrtc.PeerConnection // nil if it only signals
	subSocket *mediaSocket
	pub       *publisher // nil if it does not publish; set before negotiation

	mu  sync.Mutex
	err error // mu guards; the first failure
}

// join joins to receive; prepare, if any, sees the client before anything comes.
func (cs *clients) join(ctx context.Context, room, identity string, prepare ...func(*client)) (*client, error) {
	c := new(client)
	err := cs.start(ctx, c, room, identity, func() error {
		if err := c.openSubscriber(); err != nil {
			return err
		}
		for _, f := range prepare {
			f(c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// joinSignal joins and ignores all media.
func (cs *clients) joinSignal(ctx context.Context, room, identity string) (*client, error) {
	c := new(client)
	return c, cs.start(ctx, c, room, identity, func() error { return nil })
}

// start signals, opens the connections, and then listens.
func (cs *clients) start(ctx context.Context, c *client, room, identity string, open func() error) error {
	began := time.Now()
	conn, err := dialSignal(ctx, cs.url, room, identity)
	if err != nil {
		return fmt.Errorf("join %s as %s: %w", room, identity, err)
	}
	c.clients, c.signal, c.identity, c.joined = cs, conn, identity, time.Since(began)
	c.connected, c.ended = make(chan struct{}), make(chan struct{})
	if err := open(); err != nil {
		conn.close()
		return fmt.Errorf("join %s as %s: %w", room, identity, err)
	}
	if c.sub != nil {
		c.running.Go(c.report)
	}
	c.running.Go(c.listen)
	return nil
}

func (c *client) openSubscriber() (err error) {
	c.sub, c.subSocket, err = c.newConnection(&interceptor.Registry{})
	if err != nil {
		return err
	}
	onConnected(c.sub, c.connected)
	return nil
}

// onConnected closes done the first time that pc is connected.
func onConnected(pc *webrtc.PeerConnection, done chan struct{}) {
	first := sync.OnceFunc(func() { close(done) })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			first()
		}
	})
}

// newConnection makes a peer connection on a socket of its own: the server then
// has as many addresses to send to as with clients anywhere.
func (cs *clients) newConnection(interceptors *interceptor.Registry, configure ...func(*webrtc.MediaEngine) error) (*webrtc.PeerConnection, *mediaSocket, error) {
	socket, err := openMediaSocket()
	if err != nil {
		return nil, nil, err
	}
	media := new(webrtc.MediaEngine)
	for _, c := range append(configure, registerCodecs) {
		if err := c(media); err != nil {
			return nil, nil, errors.Join(err, socket.Close())
		}
	}
	engine := webrtc.SettingEngine{LoggerFactory: silent{}}
	engine.SetICEUDPMux(ice.NewUDPMuxDefault(ice.UDPMuxParams{Logger: silent{}, UDPConn: socket}))
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	engine.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	engine.SetIncludeLoopbackCandidate(true)
	// What browsers agree on with a server that has it.
	engine.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(engine), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors))
	pc, err := api.NewPeerConnection(webrtc.Configuration{
		Certificates: []webrtc.Certificate{cs.certificate}, BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
	if err != nil {
		return nil, nil, errors.Join(err, socket.Close())
	}
	return pc, socket, nil
}

func registerCodecs(m *webrtc.MediaEngine) error {
	nack := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}
	return errors.Join(
		m.RegisterCodec(webrtc.RTPCodecParameters{
			PayloadType: 111,
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
			},
		}, webrtc.RTPCodecTypeAudio),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			PayloadType:        96,
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock, RTCPFeedback: nack},
		}, webrtc.RTPCodecTypeVideo),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			PayloadType:        97,
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: videoClock, SDPFmtpLine: "apt=96"},
		}, webrtc.RTPCodecTypeVideo),
		m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio),
	)
}

// listen handles the server's messages until the signal connection ends.
func (c *client) listen() {
	for {
		m, err := c.signal.next()
		if err != nil {
			c.fail(fmt.Errorf("signal connection: %w", err))
			return
		}
		if err := c.handle(m); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *client) handle(m *livekit.SignalResponse) error {
	switch m := m.Message.(type) {
	case *livekit.SignalResponse_Offer:
		if c.sub == nil {
			return nil // it only signals
		}
		return c.answer(m.Offer)
	case *livekit.SignalResponse_Answer:
		return c.pub.answered(m.Answer)
	case *livekit.SignalResponse_TrackPublished:
		c.pub.accepted(m.TrackPublished)
	case *livekit.SignalResponse_Leave:
		return fmt.Errorf("told to leave: %s", m.Leave.Reason)
	}
	return nil
}

func (c *client) answer(offer *livekit.SessionDescription) error {
	err := c.sub.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.Sdp})
	if err != nil {
		return fmt.Errorf("take the offer: %w", err)
	}
	answer, err := c.sub.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	described, err := describe(c.sub, answer)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return c.signal.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{
		Answer: &livekit.SessionDescription{Type: "answer", Sdp: described, Id: offer.Id},
	}})
}

// describe sets the local description and returns it with our candidates, which
// are there at once because the socket is: nothing is trickled.
func describe(pc *webrtc.PeerConnection, d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

// report sends what a client sends while it receives: a receiver report a
// second, for pion sees no packets to report on, and a ping every five.
func (c *client) report() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-c.ended:
			return
		case now := <-tick.C:
			if n%5 == 0 {
				_ = c.signal.ping(now)
			}
		}
		var reports []rtcp.ReceptionReport
		for _, r := range c.subSocket.receptions() {
			reports = append(reports, rtcp.ReceptionReport{SSRC: r.ssrc, TotalLost: r.lost, LastSequenceNumber: r.highest})
		}
		for len(reports) > 0 {
			const most = 31 // RFC 3550 §6.4.2: five bits
			n := min(most, len(reports))
			_ = c.sub.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1, Reports: reports[:n]}})
			reports = reports[n:]
		}
	}
}

func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended: // as was to be expected
	default:
		if c.err == nil {
			c.err = fmt.Errorf("%s: %w", c.identity, err)
		}
	}
}

// failure returns what has gone wrong so far.
func (c *client) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// await returns when done is closed.
func (c *client) await(ctx context.Context, done <-chan struct{}, what string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		if err := c.failure(); err != nil {
			return err
		}
		return fmt.Errorf("%s: %s: %w", c.identity, what, ctx.Err())
	}
}

// leave says goodbye and closes everything.
func (c *client) leave() {
	c.endOnce.Do(func() {
		c.mu.Lock()
		close(c.ended)
		c.mu.Unlock()
		_ = c.signal.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
			Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_CLIENT_INITIATED},
		}})
		if c.pub != nil {
			c.pub.close()
		}
		if c.sub != nil {
			_ = c.sub.Close()
			_ = c.subSocket.Close()
		}
		c.signal.close()
		c.running.Wait()
	})
}
