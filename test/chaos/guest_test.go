package chaos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// guests makes clients; they share what is costly to make.
type guests struct {
	url    string // ws://…
	api    *webrtc.API
	config webrtc.Configuration
	// reroute replaces addresses in what the server offers; nil: none.
	reroute *strings.Replacer
	// ahead is how far the clock of those who make their tokens is ahead.
	ahead time.Duration
	// window is how much their sockets take without being read, in bytes; 0 is
	// what the system likes.
	window int
}

func newGuests(serverURL string) *guests { return newGuestsBy(serverURL, webrtc.NetworkTypeUDP4) }

// newGuestsBy makes clients whose media takes that way.
func newGuestsBy(serverURL string, way webrtc.NetworkType) *guests {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetNetworkTypes([]webrtc.NetworkType{way})
	// Each connection would have three sockets to ask for names of others.
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// By default pion gives up after seven checks, 1.4 s, which a crowd on two cores
	// may take.
	settings.SetICEMaxBindingRequests(100)
	// The server checks each path every two seconds, and that is enough to answer for
	// thousands in one process.
	settings.SetICETimeouts(time.Minute, time.Minute, 10*time.Second)
	var engine webrtc.MediaEngine
	if err := engine.RegisterDefaultCodecs(); err != nil {
		panic("BUG: register default codecs: " + err.Error())
	}
	// By default each connection asks ten times a second whether packets were lost, and
	// reports: of a crowd's work that is the most.
	var plain interceptor.Registry
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("BUG: make a key: " + err.Error())
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		panic("BUG: make a certificate: " + err.Error())
	}
	return &guests{
		url:    "ws" + strings.TrimPrefix(serverURL, "http"),
		api:    webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(&engine), webrtc.WithInterceptorRegistry(&plain)),
		config: webrtc.Configuration{Certificates: []webrtc.Certificate{*certificate}},
	}
}

var (
	errGone = errors.New("the signal connection ended")
	errLeft = errors.New("the server said leave")
)

// guest is one client: its signal connection and, if it wants media, its two
// peer connections.
type guest struct {
	reroute *strings.Replacer // immutable; may be nil

	writes sync.Mutex // a socket takes one message at a time
	socket *websocket.Conn

	subscriber, publisher *webrtc.PeerConnection

	joined    chan struct{} // closed with the JoinResponse
	back      chan struct{} // closed with the ReconnectResponse to comeBack
	active    chan struct{} // closed when the subscriber connection is up
	sending   chan struct{} // closed when the publisher connection is up
	published chan struct{} // closed when the server took the track
	stalled   chan struct{} // once closed no message is read until resumed is
	deaf      chan struct{} // the same for messages of data
	resumed   chan struct{}
	resume    func() // closes resumed, once

	track *webrtc.TrackLocalStaticSample // nil before publish

	heardMu  sync.Mutex
	heard    map[string]int             // heardMu guards; packets by track
	refusals []*livekit.RequestResponse // heardMu guards
	sid      string                     // heardMu guards; of its session
	bearer   string                     // heardMu guards; its newest token

	answer   chan struct{} // closed with the answer to such a publisher's offer
	answered string        // that answer; read after

	farewell *livekit.LeaveRequest // what the server said last; read after done
	err      error                 // why done was closed; set before
	done     chan struct{}
}

// enter opens a signal connection and, with media, answers the server's offers.
func (gs *guests) enter(ctx context.Context, room, identity string, media bool) (*guest, error) {
	if !media {
		return gs.dial(ctx, room, identity)
	}
	return gs.dial(ctx, room, identity, livekit.SignalTarget_SUBSCRIBER, livekit.SignalTarget_PUBLISHER)
}

// dial opens a signal connection and makes these peer connections.
func (gs *guests) dial(ctx context.Context, room, identity string, targets ...livekit.SignalTarget) (*guest, error) {
	own := true
	claims := &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: room, CanUpdateOwnMetadata: &own}}
	bearer, err := mintAt(claims, time.Now().Add(gs.ahead))
	if err != nil {
		return nil, err
	}
	return gs.dialBy(ctx, bearer, targets...)
}

// dialBy is dial for who has a token.
func (gs *guests) dialBy(ctx context.Context, bearer string, targets ...livekit.SignalTarget) (*guest, error) {
	socket, err := gs.open(ctx, bearer, nil)
	if err != nil {
		return nil, err
	}
	g := &guest{
		bearer:  bearer,
		reroute: gs.reroute,
		socket:  socket,
		joined:  make(chan struct{}), active: make(chan struct{}),
		sending: make(chan struct{}), published: make(chan struct{}),
		stalled: make(chan struct{}), deaf: make(chan struct{}), resumed: make(chan struct{}),
		heard: map[string]int{}, answer: make(chan struct{}),
		done: make(chan struct{}),
	}
	g.resume = sync.OnceFunc(func() { close(g.resumed) })
	if err := g.prepare(gs, targets); err != nil {
		socket.CloseNow()
		return nil, err
	}
	go g.run(g.done)
	return g, g.await(ctx, g.joined)
}

// open opens a signal connection with more parameters than those of all.
func (gs *guests) open(ctx context.Context, bearer string, query url.Values) (*websocket.Conn, error) {
	all := url.Values{
		"access_token": {bearer}, "protocol": {"17"}, "sdk": {"go"}, "version": {"2.16.7"}, "auto_subscribe": {"1"},
	}
	maps.Copy(all, query)
	socket, resp, err := websocket.Dial(ctx, gs.url+"/rtc?"+all.Encode(), &websocket.DialOptions{HTTPClient: gs.client()})
	if err != nil {
		if resp != nil && resp.Body != nil {
			text, _ := io.ReadAll(resp.Body)
			return nil, fmt.Errorf("dial: %w: %s", err, text)
		}
		return nil, fmt.Errorf("dial: %w", err)
	}
	socket.SetReadLimit(1 << 20)
	return socket, nil
}

func (gs *guests) client() *http.Client {
	if gs.window == 0 {
		return http.DefaultClient
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn, conn.(*net.TCPConn).SetReadBuffer(gs.window)
		},
	}}
}

// prepare makes the peer connections.
func (g *guest) prepare(gs *guests, targets []livekit.SignalTarget) error {
	for _, pc := range []struct {
		conn   **webrtc.PeerConnection
		target livekit.SignalTarget
		up     chan struct{}
	}{
		{&g.subscriber, livekit.SignalTarget_SUBSCRIBER, g.active},
		{&g.publisher, livekit.SignalTarget_PUBLISHER, g.sending},
	} {
		if !slices.Contains(targets, pc.target) {
			continue
		}
		conn, err := gs.api.NewPeerConnection(gs.config)
		if err != nil {
			return fmt.Errorf("make peer connection: %w", err)
		}
		*pc.conn = conn
		conn.OnICECandidate(func(c *webrtc.ICECandidate) {
			if c == nil {
				return
			}
			candidate, err := json.Marshal(c.ToJSON())
			if err != nil {
				panic("BUG: marshal candidate: " + err.Error())
			}
			g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{
				Trickle: &livekit.TrickleRequest{CandidateInit: string(candidate), Target: pc.target},
			}})
		})
		var once sync.Once
		conn.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
			if state == webrtc.PeerConnectionStateConnected {
				once.Do(func() { close(pc.up) })
			}
		})
	}
	if g.subscriber == nil {
		return nil
	}
	g.subscriber.OnTrack(g.listen)
	// Unless somebody asks for them, pion closes the server's data channels.
	g.subscriber.OnDataChannel(func(dc *webrtc.DataChannel) {
		dc.OnMessage(func(webrtc.DataChannelMessage) {
			select {
			case <-g.deaf:
				<-g.resumed
			default:
			}
		})
	})
	return nil
}

// listen counts the packets of a track until it ends.
func (g *guest) listen(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		if _, _, err := track.ReadRTP(); err != nil {
			return
		}
		g.heardMu.Lock()
		g.heard[track.ID()]++
		g.heardMu.Unlock()
	}
}

// hears returns how many tracks g has at least n packets of.
func (g *guest) hears(n int) (tracks int) {
	g.heardMu.Lock()
	defer g.heardMu.Unlock()
	for _, packets := range g.heard {
		if packets >= n {
			tracks++
		}
	}
	return tracks
}

// packets returns how many came of all tracks.
func (g *guest) packets() (n int) {
	g.heardMu.Lock()
	defer g.heardMu.Unlock()
	for _, packets := range g.heard {
		n += packets
	}
	return n
}

// speak sends a packet of sound each interval until ctx ends.
func (g *guest) speak(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = g.track.WriteSample(media.Sample{Data: make([]byte, 60), Duration: interval})
		}
	}
}

// await waits for one of the channels of g.
func (g *guest) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publish announces an audio track and waits until its transport is up.
func (g *guest) publish(ctx context.Context) error {
	var err error
	g.track, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "microphone", "camera")
	if err != nil {
		return err
	}
	if _, err := g.publisher.AddTrack(g.track); err != nil {
		return fmt.Errorf("add track: %w", err)
	}
	g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: "microphone", Name: "microphone", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE,
	}}})
	if err := g.await(ctx, g.published); err != nil {
		return err
	}
	offer, err := g.publisher.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("create offer: %w", err)
	}
	if err := g.publisher.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("set offer: %w", err)
	}
	g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: offer.SDP, Id: 1},
	}})
	return g.await(ctx, g.sending)
}

// leave ends the session; politely: with a leave message first.
func (g *guest) leave(politely bool) {
	if politely {
		g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
			Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_CLIENT_INITIATED},
		}})
	}
	g.resume()
	for _, pc := range []*webrtc.PeerConnection{g.subscriber, g.publisher} {
		if pc != nil {
			pc.Close()
		}
	}
	g.socket.CloseNow()
	<-g.done
}

// maxUnhandled is how many messages a guest reads before it has handled the first.
const maxUnhandled = 1024

// run reads what the server says until the connection ends. Messages are handled
// beside that, in order: pings are answered by who reads, and a description may take
// its time in a crowd.
func (g *guest) run(done chan<- struct{}) {
	defer close(done)
	messages, handled := make(chan []byte, maxUnhandled), make(chan error, 1)
	go func() {
		var failed error
		for b := range messages {
			if failed == nil {
				if failed = g.take(b); failed != nil {
					_ = g.socket.CloseNow()
				}
			}
		}
		handled <- failed
	}()
	err := g.read(messages)
	close(messages)
	failed := <-handled
	switch {
	case failed != nil:
		g.err = failed
	case g.farewell != nil:
		g.err = fmt.Errorf("%w: %v, then %w", errLeft, g.farewell.GetReason(), err)
	default:
		g.err = fmt.Errorf("%w: %w", errGone, err)
	}
}

func (g *guest) read(messages chan<- []byte) error {
	for {
		_, b, err := g.socket.Read(context.Background())
		if err != nil {
			return err
		}
		select {
		case <-g.stalled:
			<-g.resumed
		default:
		}
		messages <- b
	}
}

func (g *guest) take(b []byte) error {
	var m livekit.SignalResponse
	if err := proto.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("decode signal message: %w", err)
	}
	return g.handle(&m)
}

func (g *guest) handle(m *livekit.SignalResponse) error {
	switch m := m.Message.(type) {
	case *livekit.SignalResponse_Join:
		g.heardMu.Lock()
		g.sid = m.Join.GetParticipant().GetSid()
		g.heardMu.Unlock()
		close(g.joined)
	case *livekit.SignalResponse_Reconnect:
		close(g.back)
	case *livekit.SignalResponse_RefreshToken:
		g.heardMu.Lock()
		g.bearer = m.RefreshToken
		g.heardMu.Unlock()
	case *livekit.SignalResponse_Leave:
		g.farewell = m.Leave
	case *livekit.SignalResponse_TrackPublished:
		close(g.published)
	case *livekit.SignalResponse_Offer:
		return g.accept(m.Offer)
	case *livekit.SignalResponse_Answer:
		if g.publisher == nil {
			g.answered = m.Answer.Sdp
			close(g.answer)
		} else {
			return g.publisher.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.Answer.Sdp})
		}
	case *livekit.SignalResponse_RequestResponse:
		g.heardMu.Lock()
		g.refusals = append(g.refusals, m.RequestResponse)
		g.heardMu.Unlock()
	}
	return nil
}

func (g *guest) accept(offer *livekit.SessionDescription) error {
	if g.subscriber == nil {
		return nil
	}
	if err := g.subscriber.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: g.rerouted(offer.Sdp)}); err != nil {
		return fmt.Errorf("set offer: %w", err)
	}
	answer, err := g.subscriber.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("create answer: %w", err)
	}
	if err := g.subscriber.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("set answer: %w", err)
	}
	g.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{
		Answer: &livekit.SessionDescription{Type: "answer", Sdp: answer.SDP, Id: offer.Id},
	}})
	return nil
}

func (g *guest) rerouted(text string) string {
	if g.reroute == nil {
		return text
	}
	return g.reroute.Replace(text)
}

// responses are what the server has said about requests.
func (g *guest) responses() []*livekit.RequestResponse {
	g.heardMu.Lock()
	defer g.heardMu.Unlock()
	return slices.Clone(g.refusals)
}

// send writes a message; that the connection is gone shows in run.
func (g *guest) send(m *livekit.SignalRequest) { _ = g.write(m) }

func (g *guest) write(m *livekit.SignalRequest) error {
	b, err := proto.Marshal(m)
	if err != nil {
		panic("BUG: marshal signal request: " + err.Error())
	}
	g.writes.Lock()
	defer g.writes.Unlock()
	return g.socket.Write(context.Background(), websocket.MessageBinary, b)
}
