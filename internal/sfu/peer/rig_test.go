package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// eventually polls for a condition that sockets and goroutines bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

func testLogger() *slog.Logger {
	if os.Getenv("PEER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newTestFactory(t *testing.T, change func(*Options)) *Factory {
	t.Helper()
	opts := Options{
		BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true, Logger: testLogger(),
	}
	if change != nil {
		change(&opts)
	}
	f, err := NewFactory(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Errorf("close factory: %v", err)
		}
	})
	return f
}

// clientOptions say how a test client differs from the ordinary one.
type clientOptions struct {
	engine func(*webrtc.SettingEngine)
	media  func(*webrtc.MediaEngine) error // instead of the default codecs

	bare bool // without the default interceptors

	registry func(*webrtc.MediaEngine, *interceptor.Registry) error // besides the default interceptors
}

// newClientPC is a client's connection: pion with its default codecs and
// interceptors, as the Go SDK has it.
func newClientPC(t *testing.T, o clientOptions) *webrtc.PeerConnection {
	t.Helper()
	engine := webrtc.SettingEngine{LoggerFactory: pionLogs{testLogger().With("client", true)}}
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if o.engine != nil {
		o.engine(&engine)
	}
	media := &webrtc.MediaEngine{}
	register := o.media
	if register == nil {
		register = (*webrtc.MediaEngine).RegisterDefaultCodecs
	}
	if err := register(media); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		t.Fatal(err)
	}
	registry := &interceptor.Registry{}
	if !o.bare {
		if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
			t.Fatal(err)
		}
	}
	if o.registry != nil {
		if err := o.registry(media, registry); err != nil {
			t.Fatal(err)
		}
	}
	api := webrtc.NewAPI(
		webrtc.WithSettingEngine(engine), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry),
	)
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	return pc
}

// heard is what a handler heard.
type heard struct {
	mu       sync.Mutex
	states   []State
	tracks   map[string]*Receiver // by track id
	ended    []string
	offers   []offer
	data     []message
	failed   []error
	senders  []error // SenderFailed
	inTurn   int
	overlaps int
}

type offer struct {
	sdp  string
	id   uint32
	mids map[string]string
}

type message struct {
	kind    DataKind
	label   string
	payload string
}

// turn notes handler methods that run at the same time.
func (r *heard) turn() func() {
	r.mu.Lock()
	r.inTurn++
	if r.inTurn > 1 {
		r.overlaps++
	}
	return func() { r.inTurn--; r.mu.Unlock() }
}

func (r *heard) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *heard) state() (s State) {
	r.with(func() {
		if len(r.states) > 0 {
			s = r.states[len(r.states)-1]
		}
	})
	return s
}

func (r *heard) track(id string) (rc *Receiver) {
	r.with(func() { rc = r.tracks[id] })
	return rc
}

func (r *heard) failure() (err error) {
	r.with(func() {
		if len(r.failed) > 0 {
			err = r.failed[0]
		}
	})
	return err
}

func (r *heard) messages() (n int) {
	r.with(func() { n = len(r.data) })
	return n
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// pubClient publishes: it offers, and answers and candidates find it.
type pubClient struct {
	heard
	t        *testing.T
	pc       *webrtc.PeerConnection
	pub      *Publisher
	signalc  chan func() // the client's signalling, in order
	answerc  chan string
	stopc    chan struct{} // closed with the test
	nextID   uint32
	received []message         // on data channels, guarded by heard.mu
	mids     map[string]string // of the last answer, guarded by heard.mu
}

func newPubClient(t *testing.T, f *Factory, o clientOptions) *pubClient {
	return newPubClientCodecs(t, f, o, nil)
}

func newPubClientCodecs(t *testing.T, f *Factory, o clientOptions, codecs []string) *pubClient {
	t.Helper()
	c := newOfferer(t, o)
	pub, err := f.NewPublisher(PublisherOptions{Handler: c, Codecs: codecs, Logger: testLogger()})
	if err != nil {
		t.Fatal(err)
	}
	c.attach(pub)
	return c
}

// newOfferer is a client that offers and has nobody to offer to yet.
func newOfferer(t *testing.T, o clientOptions) *pubClient {
	t.Helper()
	c := &pubClient{
		heard: heard{tracks: map[string]*Receiver{}}, t: t,
		signalc: make(chan func(), 1024), answerc: make(chan string, 16), stopc: make(chan struct{}),
	}
	c.pc = newClientPC(t, o)
	return c
}

// attach puts the client's signalling through to pub.
func (c *pubClient) attach(pub *Publisher) {
	t := c.t
	c.pub = pub
	t.Cleanup(pub.Close)
	donec := make(chan struct{})
	t.Cleanup(func() { close(c.stopc); <-donec })
	go func() {
		defer close(donec)
		for {
			select {
			case f := <-c.signalc:
				f()
			case <-c.stopc:
				return
			}
		}
	}()
	c.pc.OnICECandidate(func(cand *webrtc.ICECandidate) {
		if cand == nil {
			_ = pub.AddCandidate(`{"candidate":"","sdpMid":"0","sdpMLineIndex":0}`)
			return
		}
		if err := pub.AddCandidate(mustJSON(cand.ToJSON())); err != nil && err != ErrClosed {
			t.Errorf("candidate: %v", err)
		}
	})
}

func (c *pubClient) PublisherAnswer(sdp string, id uint32, mids map[string]string) {
	defer c.turn()()
	c.mids = mids
	if id != c.nextID {
		c.t.Errorf("answer %d to offer %d", id, c.nextID)
	}
	c.answerc <- sdp
}

func (c *pubClient) PublisherState(s State) {
	defer c.turn()()
	c.states = append(c.states, s)
}

func (c *pubClient) PublisherTrack(r *Receiver) {
	defer c.turn()()
	c.tracks[r.TrackID()] = r
}

func (c *pubClient) PublisherTrackEnded(r *Receiver) {
	defer c.turn()()
	if c.tracks[r.TrackID()] != r {
		c.t.Errorf("ended an unknown receiver %s", r.TrackID())
	}
	delete(c.tracks, r.TrackID())
	c.ended = append(c.ended, r.TrackID())
}

func (c *pubClient) Data(kind DataKind, label string, payload []byte) {
	defer c.turn()()
	c.data = append(c.data, message{kind, label, string(payload)})
}

func (c *pubClient) NegotiationFailed(err error) {
	defer c.turn()()
	c.failed = append(c.failed, err)
}

// negotiate makes one offer and applies its answer, which it returns.
func (c *pubClient) negotiate(o *webrtc.OfferOptions) string {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.pc.SetLocalDescription(offer); err != nil {
		c.t.Fatal(err)
	}
	c.with(func() { c.nextID++ })
	c.pub.Offer(offer.SDP, c.nextID)
	select {
	case answer := <-c.answerc:
		err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
		if err != nil {
			c.t.Fatalf("client takes answer: %v\n%s", err, answer)
		}
		return answer
	case <-time.After(patience):
		c.t.Fatalf("no answer; failure: %v", c.failure())
	}
	return ""
}

func (c *pubClient) connected() {
	c.t.Helper()
	eventually(c.t, "publisher connected", func() bool { return c.state() == Connected })
}

// dataChannels opens the channels the SDKs open. It is called before negotiate.
func (c *pubClient) dataChannels() (reliable, lossy *webrtc.DataChannel) {
	c.t.Helper()
	unordered, none := false, uint16(0)
	open := func(label string, init *webrtc.DataChannelInit) *webrtc.DataChannel {
		dc, err := c.pc.CreateDataChannel(label, init)
		if err != nil {
			c.t.Fatal(err)
		}
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			c.with(func() { c.received = append(c.received, message{label: label, payload: string(m.Data)}) })
		})
		return dc
	}
	return open(labelReliable, nil), open(labelLossy, &webrtc.DataChannelInit{Ordered: &unordered, MaxRetransmits: &none})
}

func (c *pubClient) publish(mime, streamID, trackID string) (*webrtc.TrackLocalStaticRTP, *webrtc.RTPSender) {
	c.t.Helper()
	clock, channels := uint32(90000), uint16(0)
	switch mime {
	case webrtc.MimeTypeOpus, mimeRED:
		clock, channels = 48000, 2
	case webrtc.MimeTypePCMU, webrtc.MimeTypePCMA:
		clock = 8000
	}
	track, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: mime, ClockRate: clock, Channels: channels}, trackID, streamID)
	if err != nil {
		c.t.Fatal(err)
	}
	sender, err := c.pc.AddTrack(track)
	if err != nil {
		c.t.Fatal(err)
	}
	c.drain(sender)
	return track, sender
}

func (c *pubClient) drain(sender *webrtc.RTPSender) {
	go func() {
		b := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(b); err != nil {
				return
			}
		}
	}()
}

func trackName(i int) string { return fmt.Sprintf("TR_%d", i) }
