package whip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"go.uber.org/goleak"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

const patience = 20 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

const (
	apiKey    = "key"
	apiSecret = "a-secret-of-this-test-that-is-long"
)

// rig is a handler on real sockets, with rooms, a log and endpoints.
type rig struct {
	*httptest.Server
	t       *testing.T
	handler *Handler
	ingress *ingress.Service
	rooms   *room.Registry
	log     *eventlog.Log
}

func newRig(t *testing.T, change ...func(*peer.Options)) *rig {
	t.Helper()
	r := &rig{t: t}
	o := peer.Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true}
	for _, f := range change {
		f(&o)
	}
	factory, err := peer.NewFactory(o)
	if err != nil {
		t.Fatal(err)
	}
	if r.log, err = eventlog.Open(eventlog.Options{Store: memory.New()}); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	r.rooms = room.NewRegistry(room.Options{
		Publish: r.log.Enqueue, Commit: r.log.Commit, Sync: r.log.Sync, Media: room.Peers(factory),
		ServerInfo: &livekit.ServerInfo{Version: "1.9.0"}, Logger: logger, JoinTimeout: 5 * time.Second,
		ICEServers: []*livekit.ICEServer{
			{Urls: []string{"stun:stun.example.com"}}, {Urls: []string{"turn:turn.example.com"}, Username: "u", Credential: "c"},
		},
	})
	r.ingress, err = ingress.Start(t.Context(), ingress.Options{
		Rooms: r.rooms, Log: r.log, Logger: logger, URL: func(_ livekit.IngressInput, origin string) string { return origin + "/w" },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.handler = NewHandler(Options{
		Rooms: r.rooms, Ingress: r.ingress, Keys: token.Keys{apiKey: apiSecret}, Logger: logger,
		Site: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") },
	})
	r.Server = httptest.NewServer(r.handler)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		r.Server.Close()
		if err := errors.Join(r.ingress.Close(ctx), r.rooms.Close(ctx), r.handler.Close(ctx), factory.Close(ctx), r.log.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) create(change ...func(*livekit.CreateIngressRequest)) *livekit.IngressInfo {
	r.t.Helper()
	req := &livekit.CreateIngressRequest{InputType: livekit.IngressInput_WHIP_INPUT, RoomName: "show", ParticipantIdentity: "encoder"}
	for _, f := range change {
		f(req)
	}
	info, err := r.ingress.Create(r.t.Context(), r.URL, req)
	if err != nil {
		r.t.Fatal(err)
	}
	return info
}

func (r *rig) state(info *livekit.IngressInfo) *livekit.IngressState {
	r.t.Helper()
	resp, err := r.ingress.List(r.t.Context(), &livekit.ListIngressRequest{IngressId: info.IngressId})
	if err != nil || len(resp.Items) != 1 {
		r.t.Fatal(resp, err)
	}
	return resp.Items[0].State
}

func (r *rig) wantStatus(info *livekit.IngressInfo, want livekit.IngressState_Status) {
	r.t.Helper()
	eventually(r.t, "status "+want.String(), func() bool { return r.state(info).Status == want })
}

// people are those in the room.
func (r *rig) people() []*livekit.ParticipantInfo {
	r.t.Helper()
	infos, err := r.rooms.ListParticipants(r.t.Context(), "show")
	if err != nil {
		r.t.Fatal(err)
	}
	return infos
}

// count is how often the log has an event.
func (r *rig) count(name event.Name) (n int) {
	r.t.Helper()
	records, err := r.log.Read(r.t.Context(), 0, 10_000)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, rec := range records {
		if rec.Name == name {
			n++
		}
	}
	return n
}

// request sends one; headers are name, value pairs.
func (r *rig) request(method, url, body string, headers ...string) (status int, text string, header http.Header) {
	r.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = r.URL + url
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

// encoder is a WHIP client: pion with a track of video and one of sound.
type encoder struct {
	r        *rig
	pc       *webrtc.PeerConnection
	video    *webrtc.TrackLocalStaticSample
	audio    *webrtc.TrackLocalStaticSample
	location string
	etag     string
	header   http.Header
	answer   string

	stop    chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

func (r *rig) encoder() *encoder {
	r.t.Helper()
	engine := webrtc.SettingEngine{}
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(engine)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		r.t.Fatal(err)
	}
	e := &encoder{r: r, pc: pc, stop: make(chan struct{})}
	r.t.Cleanup(e.close)
	e.video = e.track(webrtc.MimeTypeVP8, "picture")
	e.audio = e.track(webrtc.MimeTypeOpus, "sound")
	return e
}

func (e *encoder) track(mime, id string) *webrtc.TrackLocalStaticSample {
	e.r.t.Helper()
	t, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, id, "stream")
	if err != nil {
		e.r.t.Fatal(err)
	}
	if _, err := e.pc.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		e.r.t.Fatal(err)
	}
	return t
}

func (e *encoder) close() {
	e.once.Do(func() { close(e.stop) })
	e.running.Wait()
	_ = e.pc.GracefulClose()
}

// offer is the description of the encoder, with its candidates or before them.
func (e *encoder) offer(candidates bool, o *webrtc.OfferOptions) string {
	e.r.t.Helper()
	gathered := webrtc.GatheringCompletePromise(e.pc)
	offer, err := e.pc.CreateOffer(o)
	if err != nil {
		e.r.t.Fatal(err)
	}
	if err := e.pc.SetLocalDescription(offer); err != nil {
		e.r.t.Fatal(err)
	}
	if !candidates {
		return offer.SDP
	}
	<-gathered
	return e.pc.LocalDescription().SDP
}

// post begins a session; headers are name, value pairs.
func (e *encoder) post(path, offer string, headers ...string) int {
	e.r.t.Helper()
	status, text, header := e.r.request(http.MethodPost, path, offer, append([]string{"Content-Type", typeSDP}, headers...)...)
	e.header, e.answer = header, text
	if status == http.StatusCreated {
		e.location, e.etag = header.Get("Location"), header.Get("ETag")
		if err := e.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}); err != nil {
			e.r.t.Fatalf("%v\n%s", err, text)
		}
	}
	return status
}

// send sends a frame of each every 20 ms until the test ends or pause.
func (e *encoder) send() (pause func()) {
	stop := make(chan struct{})
	var once sync.Once
	e.running.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				// The first bytes of a key frame of VP8, 640 by 480.
				_ = e.video.WriteSample(media.Sample{Data: []byte{0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1, 0, 0}, Duration: 20 * time.Millisecond})
				_ = e.audio.WriteSample(media.Sample{Data: []byte{0xfc, 1, 2, 3}, Duration: 20 * time.Millisecond})
			case <-stop:
				return
			case <-e.stop:
				return
			}
		}
	})
	return func() { once.Do(func() { close(stop) }) }
}

// published begins a session and sends until the endpoint is publishing.
func (r *rig) published(info *livekit.IngressInfo) (e *encoder, pause func()) {
	r.t.Helper()
	e = r.encoder()
	if status := e.post("/w", e.offer(true, nil), "Authorization", "Bearer "+info.StreamKey); status != http.StatusCreated {
		r.t.Fatalf("%d %s", status, e.answer)
	}
	pause = e.send()
	r.wantStatus(info, livekit.IngressState_ENDPOINT_PUBLISHING)
	return e, pause
}

// counter is a tap's writer.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) WriteRTP(_ *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return len(payload), nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
