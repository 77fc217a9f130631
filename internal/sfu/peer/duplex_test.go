package peer

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// duplexClient is a client with one connection for both ways, as SDKs make it:
// it offers sections to receive in, and more when it is asked.
type duplexClient struct {
	*pubClient
	duplex    *Duplex
	reception reception

	// heard.mu guards
	asked   [][2]int
	deaf    bool // ignores what it is asked for
	misses  int  // requests that it is still to ignore
	forgets int  // times that it adds sections and makes no offer
}

func newDuplexClient(t *testing.T, f *Factory, o clientOptions, audio, video int) *duplexClient {
	t.Helper()
	c := &duplexClient{}
	t.Cleanup(c.reception.end)
	c.pubClient = newOfferer(t, o)
	c.reception.mu, c.reception.got = &c.mu, map[string]*gotTrack{}
	d, err := f.NewDuplex(DuplexOptions{Handler: c, Logger: testLogger()})
	if err != nil {
		t.Fatal(err)
	}
	c.duplex = d
	c.attach(&d.Publisher)
	c.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		c.reception.take(t, track, receiver)
	})
	c.addSections(audio, video)
	return c
}

// enterDuplex is a client that is connected, with data and sections to receive in.
func enterDuplex(t *testing.T, f *Factory, audio, video int) *duplexClient {
	t.Helper()
	c := newDuplexClient(t, f, clientOptions{}, audio, video)
	c.dataChannels()
	c.offer(nil)
	c.connected()
	return c
}

func (c *duplexClient) addSections(audio, video int) {
	for kind, n := range map[webrtc.RTPCodecType]int{webrtc.RTPCodecTypeAudio: audio, webrtc.RTPCodecTypeVideo: video} {
		for range n {
			_, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			if err != nil {
				c.t.Error(err)
			}
		}
	}
}

// OfferOverdue is told to SDKs as a request for no sections.
func (c *duplexClient) OfferOverdue() { c.SectionsRequired(0, 0) }

func (c *duplexClient) SectionsRequired(audio, video int) {
	defer c.turn()()
	c.asked = append(c.asked, [2]int{audio, video})
	if c.misses > 0 {
		c.misses--
		return
	}
	if c.deaf {
		return
	}
	c.signalc <- func() {
		select {
		case <-c.stopc:
			return
		default:
		}
		c.addSections(audio, video)
		forgets := false
		c.with(func() {
			if forgets = c.forgets > 0; forgets {
				c.forgets--
			}
		})
		if !forgets {
			c.negotiate(nil)
		}
	}
}

func (c *duplexClient) SenderFailed(_ *Sender, err error) {
	defer c.turn()()
	c.senders = append(c.senders, err)
}

func (c *duplexClient) StreamState(*Sender, bool) { c.turn()() }

// offer makes the client's own offer, in turn with those it is asked for.
func (c *duplexClient) offer(o *webrtc.OfferOptions) (answer string) {
	c.t.Helper()
	donec := make(chan struct{})
	c.signalc <- func() { answer = c.negotiate(o); close(donec) }
	<-donec
	return answer
}

// carries waits until the sections carry exactly these tracks.
func (c *duplexClient) carries(ids ...string) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("sections carry %v", ids), func() bool {
		var got map[string]string
		c.with(func() { got = maps.Clone(c.mids) })
		if len(got) != len(ids) {
			return false
		}
		for _, id := range got {
			found := false
			for _, want := range ids {
				found = found || id == want
			}
			if !found {
				return false
			}
		}
		return true
	})
}

func (c *duplexClient) add(id string, p *pubClient, source string) *Sender {
	c.t.Helper()
	s, err := c.duplex.AddTrack("PA_x|"+id, id, p.track(source).UpTrack())
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func TestOneConnectionCarriesBothWays(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, camera := publishBoth(t, f)
	c := newDuplexClient(t, f, clientOptions{}, 1, 1)
	reliable, _ := c.dataChannels()
	own, _ := c.publish(webrtc.MimeTypeOpus, "stream", "own")
	c.add("TR_mic", p, "mic")
	c.add("TR_camera", p, "camera")
	answer := c.offer(nil)
	c.connected()
	if !strings.Contains(answer, "a=msid:PA_x|TR_camera TR_camera\r\n") {
		t.Errorf("answer:\n%s", answer)
	}
	c.carries("TR_mic", "TR_camera")
	sendOpus(t, mic, "audio arrives", func() bool { return c.reception.packets("TR_mic") >= 30 })
	sendVP8(t, camera, "video arrives", func() bool { return c.reception.packets("TR_camera") >= 30 })
	eventually(t, "own track announced", func() bool { return c.track("own") != nil })
	sendOpus(t, own, "own audio arrives", func() bool { return upPackets(c.track("own")) >= 30 })

	if err := c.duplex.SendData(Reliable, []byte("down"), nil); err != nil {
		t.Error(err)
	}
	eventually(t, "data arrives at the client", func() bool {
		n := 0
		c.with(func() { n = len(c.received) })
		return n == 1
	})
	if err := reliable.Send([]byte("up")); err != nil {
		t.Error(err)
	}
	eventually(t, "data arrives at the server", func() bool { return c.messages() == 1 })
	c.with(func() {
		for id, g := range c.reception.got {
			if c.mids[g.mid] != id || g.streamID != "PA_x|"+id {
				t.Errorf("%s came as %s in section %s of %v", id, g.streamID, g.mid, c.mids)
			}
		}
		if len(c.asked) > 0 {
			t.Errorf("asked for %v with sections enough", c.asked)
		}
	})
}

func TestUnusedSectionsPromiseNothing(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newDuplexClient(t, f, clientOptions{}, 3, 3)
	c.dataChannels()
	lines, err := parseLines(c.offer(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if (l.sends || l.receives) && l.kind != kindData || l.rejected {
			t.Errorf("section %s of %s is used: %+v", l.mid, l.kind, l)
		}
	}
	c.connected()
}

func TestSectionsAreAskedForAndUsedAgain(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 1)
	first := c.add("TR_1", p, "camera")
	c.add("TR_2", p, "camera")
	c.add("TR_3", p, "camera")
	c.add("TR_mic", p, "mic")
	c.carries("TR_1", "TR_2", "TR_3", "TR_mic")
	c.with(func() {
		if len(c.asked) != 1 || c.asked[0] != [2]int{1, 2} {
			t.Errorf("asked for %v, want one audio and two video sections at once", c.asked)
		}
	})
	sendVP8(t, camera, "all arrive", func() bool {
		return c.reception.packets("TR_1") > 5 && c.reception.packets("TR_2") > 5 && c.reception.packets("TR_3") > 5
	})

	c.duplex.RemoveTrack(first)
	c.carries("TR_2", "TR_3", "TR_mic")
	c.add("TR_4", p, "camera")
	c.carries("TR_2", "TR_3", "TR_4", "TR_mic")
	sendVP8(t, camera, "the new one arrives", func() bool { return c.reception.packets("TR_4") > 5 })
	if n := len(c.pc.GetTransceivers()); n != 4 {
		t.Errorf("%d sections for 4 tracks", n)
	}
	c.with(func() {
		for _, l := range c.asked[1:] {
			if l != [2]int{} {
				t.Errorf("asked for %v with a free section", l)
			}
		}
	})
}

func TestATrackIsExchangedForAnotherWithoutAnExtraSectionForGood(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newDuplexClient(t, f, clientOptions{}, 0, 1)
	c.dataChannels()
	now := c.add("TR_0", p, "camera")
	c.offer(nil)
	c.connected()
	c.carries("TR_0")
	for i := 1; i <= 6; i++ {
		id := fmt.Sprintf("TR_%d", i)
		c.duplex.RemoveTrack(now)
		now = c.add(id, p, "camera")
		c.carries(id)
		sendVP8(t, camera, id+" arrives", func() bool { return c.reception.packets(id) > 3 })
	}
	if n := len(c.pc.GetTransceivers()); n > 2 {
		t.Errorf("%d sections after six exchanges", n)
	}
}

func TestWhatWaitsForSectionsIsAskedForAgain(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, _ := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.deaf = true })
	c.add("TR_1", p, "camera")
	eventually(t, "asked", func() bool { n := 0; c.with(func() { n = len(c.asked) }); return n == 1 })
	c.with(func() { c.deaf = false })
	// The request was lost with the signal connection; the client restarts ICE.
	c.duplex.Resumed()
	c.offer(&webrtc.OfferOptions{ICERestart: true})
	c.carries("TR_1")
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestClientThatNeverOffersIsGivenUp(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.AnswerTimeout = 50 * time.Millisecond })
	p, _, _ := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.deaf = true })
	c.add("TR_1", p, "camera")
	eventually(t, "given up", func() bool { return c.failure() != nil })
}

func TestClientThatGivesNothingBackGoesOn(t *testing.T) {
	const timeout = 300 * time.Millisecond
	f := newTestFactory(t, func(o *Options) { o.AnswerTimeout = timeout })
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 1)
	first := c.add("TR_1", p, "camera")
	c.carries("TR_1")
	var before int
	c.with(func() { c.deaf, before = true, len(c.asked) })
	c.duplex.RemoveTrack(first)
	eventually(t, "asked", func() bool { n := 0; c.with(func() { n = len(c.asked) }); return n > before })
	time.Sleep(2 * timeout)
	if err := c.failure(); err != nil {
		t.Fatal(err)
	}
	c.with(func() { c.deaf = false })
	c.add("TR_2", p, "camera")
	c.carries("TR_2")
	sendVP8(t, camera, "the new one arrives", func() bool { return c.reception.packets("TR_2") > 5 })
}

func TestUndecodableTrackFailsAlone(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newDuplexClient(t, f, clientOptions{media: func(m *webrtc.MediaEngine) error {
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: h264(1, "42e01f")},
			PayloadType:        102,
		}, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
		return m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
			PayloadType:        111,
		}, webrtc.RTPCodecTypeAudio)
	}}, 1, 1)
	c.dataChannels()
	c.add("TR_camera", p, "camera")
	c.add("TR_mic", p, "mic")
	c.offer(nil)
	c.connected()
	c.carries("TR_mic")
	c.with(func() {
		if len(c.senders) != 1 || !errors.Is(c.senders[0], ErrCodecRejected) {
			t.Errorf("failed: %v, want that the client rejected the codec", c.senders)
		}
	})
	sendOpus(t, mic, "audio arrives", func() bool { return c.reception.packets("TR_mic") > 5 })
}

func TestSectionTakenBackIsLeft(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newDuplexClient(t, f, clientOptions{}, 0, 1)
	c.dataChannels()
	c.add("TR_1", p, "camera")
	c.offer(nil)
	c.connected()
	c.carries("TR_1")
	sendVP8(t, camera, "arrives", func() bool { return c.reception.packets("TR_1") > 3 })
	if err := c.pc.GetTransceivers()[0].Stop(); err != nil {
		t.Fatal(err)
	}
	c.offer(nil)
	c.carries("TR_1")
	c.with(func() {
		if len(c.asked) != 1 || c.asked[0] != [2]int{0, 1} {
			t.Errorf("asked for %v, want another section", c.asked)
		}
	})
	n := c.reception.packets("TR_1")
	sendVP8(t, camera, "arrives in the other section", func() bool {
		return c.reception.packets("TR_1") > n+3 || c.reception.packets("TR_1") < n && c.reception.packets("TR_1") > 3
	})
}

// The Go SDK publishes in the sections that it offered to receive in.
func TestClientMaySendInASectionItOfferedToReceiveIn(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 2)
	c.publish(webrtc.MimeTypeVP8, "stream", "own")
	c.offer(nil)
	eventually(t, "own track announced", func() bool { return c.track("own") != nil })
	c.add("TR_1", p, "camera")
	c.add("TR_2", p, "camera")
	c.carries("TR_1", "TR_2")
	sendVP8(t, camera, "both arrive", func() bool {
		return c.reception.packets("TR_1") > 3 && c.reception.packets("TR_2") > 3
	})
	_, sender := c.publish(webrtc.MimeTypeVP8, "stream", "other")
	c.offer(nil)
	eventually(t, "the other announced", func() bool { return c.track("other") != nil })
	if err := c.pc.RemoveTrack(sender); err != nil {
		t.Fatal(err)
	}
	c.offer(nil)
	eventually(t, "the other ended", func() bool { return c.track("other") == nil })
	n := c.reception.packets("TR_1")
	sendVP8(t, camera, "still arrives", func() bool { return c.reception.packets("TR_1") > n+3 })
}
