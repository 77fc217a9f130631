package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// offerSDP is what a client with a microphone, a simulcast camera and data
// offers.
func offerSDP(t testing.TB) string {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	var sender *webrtc.RTPSender
	for _, rid := range []string{"q", "h"} {
		track, err := webrtc.NewTrackLocalStaticRTP(
			webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "camera", "stream", webrtc.WithRTPStreamID(rid))
		if err != nil {
			t.Fatal(err)
		}
		if sender == nil {
			sender, err = pc.AddTrack(track)
		} else {
			err = sender.AddEncoding(track)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mic, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "mic", "stream")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(mic); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.CreateDataChannel(labelReliable, nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

func TestUnusableOffersFailTheNegotiation(t *testing.T) {
	f := newTestFactory(t, nil)
	good := offerSDP(t)
	video := "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
	for name, sdp := range map[string]string{
		"empty":              "",
		"not SDP":            "hello",
		"no media":           "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
		"no mids":            strings.ReplaceAll(good, "a=mid:", "a=mud:"),
		"the same mid":       good[:strings.Index(good, "m=")] + strings.Repeat(video, 2),
		"another medium":     strings.Replace(good, "m=audio", "m=smell", 1),
		"no fingerprint":     strings.ReplaceAll(good, "a=fingerprint:", "a=footprint:"),
		"no ICE credentials": strings.ReplaceAll(good, "a=ice-", "a=nice-"),
		"too long":           good + strings.Repeat("a=x\r\n", maxSDP/5),
		"too many sections":  good[:strings.Index(good, "m=")] + strings.Repeat(video, maxLines+1),
	} {
		t.Run(name, func(t *testing.T) {
			c := newPubClient(t, f, clientOptions{})
			c.pub.Offer(sdp, 1)
			eventually(t, "failure", func() bool { return c.failure() != nil })
		})
	}
}

func TestUnusableAnswersFailTheNegotiation(t *testing.T) {
	f := newTestFactory(t, nil)
	for name, munge := range map[string]func(string) string{
		"empty":          func(string) string { return "" },
		"fewer sections": func(s string) string { return s[:strings.LastIndex(s, "m=")] },
		"no fingerprint": func(s string) string { return strings.ReplaceAll(s, "a=fingerprint", "a=footprint") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newSubClient(t, f, clientOptions{})
			c.munge = munge
			p := newPubClient(t, f, clientOptions{})
			p.dataChannels()
			p.publish(webrtc.MimeTypeOpus, "stream", "mic")
			p.negotiate(nil)
			eventually(t, "mic announced", func() bool { return p.track("mic") != nil })
			if _, err := c.sub.AddTrack("PA_x|TR_a", "TR_a", p.track("mic").UpTrack()); err != nil {
				t.Fatal(err)
			}
			c.sub.Negotiate()
			eventually(t, "failure", func() bool { return c.failure() != nil })
		})
	}
}

func TestMissingAnswerFailsTheNegotiation(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.AnswerTimeout = 20 * time.Millisecond })
	c := newSubClient(t, f, clientOptions{})
	c.mute = true
	c.sub.Negotiate()
	eventually(t, "failure", func() bool { return errors.Is(c.failure(), ErrAnswerTimeout) })
}

func TestCandidatesAreChecked(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	for _, init := range []string{
		``, `null, really`, `[]`, `{"candidate":5}`, `{"candidate":"what"}`,
		`{"candidate":"candidate:1 1 udp 1 not-an-address 9 typ host"}`,
		`{"candidate":"candidate:1 1 udp 1 10.0.0.1 99999 typ host"}`,
		`{"candidate":"` + strings.Repeat("x ", maxCandidateInit) + `"}`,
	} {
		if err := c.pub.AddCandidate(init); !errors.Is(err, ErrCandidate) {
			t.Errorf("%.60s: %v", init, err)
		}
	}
	for _, init := range []string{
		`{}`, `{"candidate":""}`, `{"candidate":"","sdpMid":null,"sdpMLineIndex":null}`,
		`{"candidate":"candidate:1 1 udp 2113937151 6f3b1c9e-0000.local 50000 typ host"}`,
		`{"candidate":"candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host generation 0 ufrag abcd network-cost 999","sdpMid":"0"}`,
		`{"candidate":"candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active","sdpMid":"0","usernameFragment":"abcd"}`,
		`{"candidate":"candidate:1 1 UDP 2113937151 ::1 50000 typ host","sdpMLineIndex":0}`,
	} {
		if err := c.pub.AddCandidate(init); err != nil {
			t.Errorf("%s: %v", init, err)
		}
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

// floodCandidates has n candidates taken, and returns how many wait for a description.
func floodCandidates(t *testing.T, p *Publisher, n int) (waiting int) {
	t.Helper()
	for i := range n {
		init := fmt.Sprintf(`{"candidate":"candidate:%d 1 udp 2113937151 10.%d.%d.%d 50000 typ host","sdpMid":"0"}`, i, i>>16, i>>8&255, i&255)
		for {
			err := p.AddCandidate(init)
			if err == nil {
				break
			}
			if err != ErrFlood {
				t.Fatal(err)
			}
			runtime.Gosched() // those before are not done yet
		}
	}
	done := make(chan struct{})
	if err := p.queue.post(func() { waiting = len(p.waiting); close(done) }); err != nil {
		t.Fatal(err)
	}
	<-done
	return waiting
}

func TestFloodOfCandidatesIsForgotten(t *testing.T) {
	f := newTestFactory(t, nil)
	heard := &silent{donec: make(chan struct{}, 4)}
	p, err := f.NewPublisher(PublisherOptions{Handler: heard})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	goroutines := runtime.NumGoroutine()
	bounded := func(what string) {
		t.Helper()
		if n := runtime.NumGoroutine(); n > goroutines+20 {
			t.Errorf("%s: %d goroutines, %d before", what, n, goroutines)
		}
	}
	const n = 20_000
	if waiting := floodCandidates(t, p, n); waiting != maxCandidates {
		t.Errorf("%d wait for a description, want %d", waiting, maxCandidates)
	}
	bounded("before the description")
	p.Offer(offerSDP(t), 1)
	<-heard.donec
	// And none of them leads anywhere.
	if waiting := floodCandidates(t, p, n); waiting != 0 {
		t.Errorf("%d wait", waiting)
	}
	p.told.mu.Lock()
	if n := len(p.told.kinds); n == 0 || n > maxCandidates {
		t.Errorf("%d candidates are remembered", n)
	}
	p.told.mu.Unlock()
	bounded("after it")
}

func TestFloodOfOffersFails(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	release := make(chan struct{})
	_ = c.pub.queue.post(func() { <-release })
	for range maxQueued + 10 {
		c.pub.Offer("v=0", 1)
	}
	if err := c.pub.AddCandidate(`{"candidate":"candidate:1 1 UDP 1 127.0.0.1 5000 typ host"}`); err != ErrFlood {
		t.Errorf("candidate: %v", err)
	}
	close(release)
	eventually(t, "failure", func() bool {
		var found bool
		c.with(func() {
			for _, err := range c.failed {
				found = found || errors.Is(err, ErrFlood)
			}
		})
		return found
	})
}

func FuzzCandidate(f *testing.F) {
	f.Add(`{"candidate":"candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host ufrag abcd","sdpMid":"0","sdpMLineIndex":0}`)
	f.Add(`{"candidate":"candidate:1 1 udp 1 a.local 5 typ srflx raddr 0.0.0.0 rport 0","usernameFragment":null}`)
	f.Add(`{"candidate":""}`)
	f.Fuzz(func(t *testing.T, init string) {
		c, ok, err := parseCandidateInit(init)
		if err != nil && (ok || !errors.Is(err, ErrCandidate)) {
			t.Errorf("ok %v, error %v", ok, err)
		}
		if ok && (!c.addr.IsValid() || c.addr.Port() == 0) {
			t.Errorf("a candidate at %v is of use", c.addr)
		}
	})
}

func FuzzOffer(f *testing.F) {
	good := offerSDP(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(strings.ReplaceAll(good, "a=sendrecv", "a=inactive"))
	f.Add(strings.ReplaceAll(good, "m=video 9", "m=video 0"))
	factory, err := NewFactory(Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = factory.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, sdp string) {
		heard := &silent{donec: make(chan struct{}, 4)}
		p, err := factory.NewPublisher(PublisherOptions{Handler: heard, Logger: noBugs(t)})
		if err != nil {
			t.Fatal(err)
		}
		p.Offer(sdp, 1)
		<-heard.donec
		p.Close()
	})
}

// silent is a PublisherHandler that only tells when the offer is dealt with.
type silent struct {
	pubClient
	donec chan struct{}
}

func (s *silent) PublisherAnswer(string, uint32, map[string]string) { s.donec <- struct{}{} }
func (s *silent) PublisherTrack(*Receiver)                          {}
func (s *silent) PublisherTrackEnded(*Receiver)                     {}
func (s *silent) NegotiationFailed(error)                           { s.donec <- struct{}{} }

// noBugs fails the test for what is logged as an error: a panic in what reads descriptions
// ends a connection only, with a line of the log.
func noBugs(t testing.TB) *slog.Logger { return slog.New(&errorsFail{slog.DiscardHandler, t}) }

type errorsFail struct {
	slog.Handler
	t testing.TB
}

func (h *errorsFail) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h *errorsFail) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *errorsFail) WithGroup(string) slog.Handler                { return h }
func (h *errorsFail) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool { h.t.Errorf("%s: %s", r.Message, a); return true })
	return nil
}

// answers takes the offers of a subscriber with sound, pictures and data.
type answers struct {
	subClient
	offerc chan offer
}

func (a *answers) SubscriberOffer(sdp string, id uint32, _ map[string]string) {
	a.offerc <- offer{sdp: sdp, id: id}
}

func offering(t testing.TB, f *Factory) (*Subscriber, *answers) {
	heard := &answers{offerc: make(chan offer, 64)}
	sub, err := f.NewSubscriber(SubscriberOptions{Handler: heard, AllowPause: true, Logger: noBugs(t)})
	if err != nil {
		t.Fatal(err)
	}
	for id, codec := range map[string]uptrack.Codec{
		"TR_sound": {MimeType: "audio/opus", ClockRate: 48_000}, "TR_pictures": {MimeType: mimeVP8, ClockRate: 90_000},
	} {
		up := uptrack.New(uptrack.Options{Codec: codec})
		t.Cleanup(up.Close)
		if _, err := sub.AddTrack("PA_x|"+id, id, up); err != nil {
			t.Fatal(err)
		}
	}
	sub.Negotiate()
	return sub, heard
}

// answerSDP is what a client answers.
func answerSDP(t testing.TB, offer string) string {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		t.Fatal(err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer.SDP
}

// A subscriber takes whatever it is answered, and the tracks come and go after it.
func FuzzAnswer(f *testing.F) {
	factory, err := NewFactory(Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = factory.Close(context.Background()) })
	sub, heard := offering(f, factory)
	good := answerSDP(f, (<-heard.offerc).sdp)
	sub.Close()
	for _, sdp := range []string{
		good, good[:len(good)/2],
		strings.ReplaceAll(good, "a=recvonly", "a=inactive"),
		strings.ReplaceAll(good, "UDP/TLS/RTP/SAVPF 1", "UDP/TLS/RTP/SAVPF 0 1"),
		strings.ReplaceAll(good, "m=video 9", "m=video 0"),
		strings.ReplaceAll(good, "a=mid:1", "a=mid:2"),
		strings.ReplaceAll(good, "m=audio", "m=video"),
		strings.ReplaceAll(good, "a=extmap:", "a=extmap:1"),
	} {
		f.Add(sdp, false)
		f.Add(sdp, true)
	}
	f.Fuzz(func(t *testing.T, sdp string, nameless bool) {
		sub, heard := offering(t, factory)
		defer sub.Close()
		id := (<-heard.offerc).id
		if nameless {
			id = 0 // as clients do that know of no ids
		}
		sub.Answer(sdp, id)
		up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: mimeVP8, ClockRate: 90_000}})
		defer up.Close()
		later, err := sub.AddTrack("PA_x|TR_later", "TR_later", up)
		if err != nil {
			t.Fatal(err)
		}
		sub.RestartICE()
		sub.Answer(sdp, 0)
		sub.RemoveTrack(later)
		handled := make(chan struct{})
		if err := sub.queue.post(func() { close(handled) }); err != nil {
			t.Fatal(err)
		}
		<-handled
	})
}

func TestAnswersOfAnyTruncatedOfferEndSomehow(t *testing.T) {
	f := newTestFactory(t, nil)
	good := offerSDP(t)
	for n := 0; n < len(good); n += 97 {
		heard := &silent{donec: make(chan struct{}, 4)}
		p, err := f.NewPublisher(PublisherOptions{Handler: heard})
		if err != nil {
			t.Fatal(err)
		}
		p.Offer(good[:n], 1)
		<-heard.donec
		p.Close()
	}
}
