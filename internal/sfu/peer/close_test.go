package peer

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestNothingIsHeardAfterClose(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	s, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })

	up := p.track("mic").UpTrack()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(c.sub.Close)
		wg.Go(p.pub.Close)
	}
	wg.Wait()
	heard := func() (n int) {
		for _, r := range []*heard{&p.heard, &c.heard} {
			r.with(func() { n += len(r.states) + len(r.ended) + len(r.offers) + len(r.data) + len(r.failed) })
		}
		return n
	}
	before := heard()
	if len(up.Stats().Layers) > 0 && up.Stats().Sinks != 0 {
		t.Errorf("%d sinks left", up.Stats().Sinks)
	}
	p.pub.Offer("v=0", 9)
	c.sub.Answer("v=0", 9)
	c.sub.Negotiate()
	c.sub.RestartICE()
	c.sub.RemoveTrack(s)
	c.sub.Close()
	if _, err := c.sub.AddTrack("a", "b", up); !errors.Is(err, ErrClosed) {
		t.Errorf("add track: %v", err)
	}
	for _, err := range []error{
		c.sub.SendData(Reliable, []byte("x"), nil), p.pub.SendData(Lossy, []byte("x"), nil),
		p.pub.AddCandidate(`{"candidate":"candidate:1 1 UDP 1 127.0.0.1 5000 typ host"}`),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if after := heard(); after != before {
		t.Errorf("%d handler calls after Close", after-before)
	}
}

func TestClientThatClosesEndsItsTracks(t *testing.T) {
	f := newTestFactory(t, nil)
	// Without data: pion's association closes the records on a goroutine of its own, and ICE
	// may be closed before what says so has been sent.
	p := newPubClient(t, f, clientOptions{})
	p.publish(webrtc.MimeTypeOpus, "stream", "mic")
	p.publish(webrtc.MimeTypeVP8, "stream", "camera")
	p.negotiate(nil)
	eventually(t, "tracks announced", func() bool { return p.track("mic") != nil && p.track("camera") != nil })
	eventually(t, "client connected", func() bool {
		return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	})
	if err := p.pc.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "closed", func() bool { return p.state() == Closed })
	p.with(func() {
		if len(p.ended) != 2 {
			t.Errorf("ended %v", p.ended)
		}
	})
	if err := p.pub.SendData(Reliable, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("send: %v", err)
	}
}

func TestFactoryCloseClosesConnections(t *testing.T) {
	f, err := NewFactory(Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true})
	if err != nil {
		t.Fatal(err)
	}
	p, _, _ := publishBoth(t, f)
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.pub.SendData(Reliable, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("send: %v", err)
	}
	if _, err := f.NewPublisher(PublisherOptions{Handler: p}); !errors.Is(err, ErrClosed) {
		t.Errorf("new publisher: %v", err)
	}
	if _, err := f.NewSubscriber(SubscriberOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("new subscriber: %v", err)
	}
}

func TestPublisherCostsNoGoroutineBeforeItsOffer(t *testing.T) {
	f := newTestFactory(t, nil)
	before := runtime.NumGoroutine()
	var pubs []*Publisher
	for range 50 {
		p, err := f.NewPublisher(PublisherOptions{Handler: &silent{}})
		if err != nil {
			t.Fatal(err)
		}
		pubs = append(pubs, p)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines more", n-before)
	}
	for _, p := range pubs {
		p.Close()
	}
}

func TestSlowReaderOverflowsAndLossyIsDropped(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	payload := make([]byte, 60000)
	if err := c.sub.SendData(Lossy, payload, nil); !errors.Is(err, ErrDataDropped) {
		t.Errorf("before it is open: %v", err)
	}
	if err := c.sub.SendData(Reliable, make([]byte, MaxMessageSize+1), nil); !errors.Is(err, ErrDataTooLarge) {
		t.Errorf("too large: %v", err)
	}
	fill := func() (n int) {
		for range 2*maxReliableBuffer/len(payload) + 1 {
			err := c.sub.SendData(Reliable, payload, nil)
			if errors.Is(err, ErrDataOverflow) {
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		t.Fatal("no overflow")
		return n
	}
	// Nobody reads before the channel is open, so the bound is exact.
	if n := fill(); n != maxReliableBuffer/len(payload) {
		t.Errorf("%d messages taken", n)
	}
	c.sub.Negotiate()
	c.connected()
	eventually(t, "the backlog goes out", func() bool { return c.sub.SendData(Reliable, nil, nil) == nil })
	dropped := 0
	for range 200 {
		if errors.Is(c.sub.SendData(Lossy, payload, nil), ErrDataDropped) {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("lossy data queues up")
	}
}

func TestGlareOfOffersAndChangesConverges(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	up := p.track("mic").UpTrack()
	var senders []*Sender
	var wg sync.WaitGroup
	var mu sync.Mutex
	for g := range 4 {
		wg.Go(func() {
			for i := range 10 {
				s, err := c.sub.AddTrack("PA_x|"+trackName(g*10+i), trackName(g*10+i), up)
				if err != nil {
					t.Error(err)
					return
				}
				c.sub.Negotiate()
				if i%2 == 0 {
					c.sub.RemoveTrack(s)
					continue
				}
				mu.Lock()
				senders = append(senders, s)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() { c.sub.RestartICE() })
	// Offers of the publisher do not wait for those of the subscriber.
	for range 3 {
		p.negotiate(nil)
	}
	wg.Wait()
	c.connected()
	c.settled()
	eventually(t, "all are offered", func() bool { return len(c.lastOffer().mids) == len(senders) })
	t.Cleanup(func() {
		if t.Failed() {
			logSenders(t, c, senders)
		}
	})
	sendOpus(t, mic, "audio of all", func() bool {
		for _, s := range senders {
			if c.packets(s.TrackID()) == 0 {
				return false
			}
		}
		return true
	})
	for _, r := range []error{c.failure(), p.failure()} {
		if r != nil {
			t.Error(r)
		}
	}
}

// logSenders says how far each track has come.
func logSenders(t *testing.T, c *subClient, senders []*Sender) {
	path := c.sub.packets.link.Path()
	c.with(func() {
		t.Logf("states %v, failures %v, refusals %v, %d offers, media goes %v", c.states, c.failed, c.senders, len(c.offers), path != nil)
	})
	mids := map[string]string{}
	for mid, id := range c.lastOffer().mids {
		mids[id] = mid
	}
	for _, s := range senders {
		st := s.DownTrack().Stats()
		t.Logf("%s: in section %q, bound %v, ssrc %d, layer %d, %d packets sent, %d have come, %d errors",
			s.TrackID(), mids[s.TrackID()], st.Bound, s.ssrc, st.Layer, st.Packets, c.packets(s.TrackID()), st.WriteErrors)
		if c.packets(s.TrackID()) > 0 {
			continue
		}
		for _, o := range c.offers {
			lines, _ := parseLines(o.sdp)
			for _, l := range lines {
				if l.mid == mids[s.TrackID()] {
					t.Logf("offer %d has there %q, sends %v, ssrcs %v, ufrag %s", o.id, l.trackID, l.sends, l.ssrcs, l.ufrag)
				}
			}
		}
	}
	for _, tr := range c.pc.GetTransceivers() {
		r := tr.Receiver()
		for _, track := range r.Tracks() {
			t.Logf("client: section %q, %v, track %q, ssrc %d", tr.Mid(), tr.Direction(), track.ID(), track.SSRC())
		}
	}
}

func TestClientsOwnChannelsAreReported(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	noRetransmits := uint16(0)
	dc, err := c.pc.CreateDataChannel("chat", &webrtc.DataChannelInit{MaxRetransmits: &noRetransmits})
	if err != nil {
		t.Fatal(err)
	}
	c.negotiate(nil)
	eventually(t, "channel open", func() bool { return dc.ReadyState() == webrtc.DataChannelStateOpen })
	if err := dc.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "message", func() bool { return c.messages() == 1 })
	c.with(func() {
		if c.data[0] != (message{Lossy, "chat", "hello"}) {
			t.Errorf("got %+v", c.data[0])
		}
	})
}

// A client may connect, offer its next track and close before its offer's turn
// comes: it was connected, and has closed. Nothing has failed.
func TestOfferOfAClientThatHasClosedIsNoFailure(t *testing.T) {
	f := newTestFactory(t, nil)
	p := newPubClient(t, f, clientOptions{})
	p.publish(webrtc.MimeTypeOpus, "stream", "mic") // and no data, see above
	p.negotiate(nil)
	release := make(chan struct{})
	resume := sync.OnceFunc(func() { close(release) })
	t.Cleanup(resume) // a queue that waits cannot be closed
	if err := p.pub.queue.post(func() { <-release }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "client connected", func() bool {
		return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected && p.pub.wasUp.Load()
	})
	p.with(func() { p.nextID = 77 })
	p.pub.Offer(p.pc.LocalDescription().SDP, 77)
	if err := p.pc.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "our end closed", func() bool {
		return p.pub.shake.current() == shakeEnded
	})
	resume()
	eventually(t, "told that it has closed", func() bool { return p.state() == Closed })
	if err := p.failure(); err != nil {
		t.Errorf("failed: %v", err)
	}
	p.with(func() {
		if !slices.Contains(p.states, Connected) {
			t.Errorf("was never connected: %v", p.states)
		}
	})
}

func TestConnectionsAreWaitedForOnlySoLong(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	busy, release := make(chan struct{}), make(chan struct{})
	if err := c.sub.queue.post(func() { close(busy); <-release }); err != nil {
		t.Fatal(err)
	}
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ended(ctx, []*conn{&c.sub.conn}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
}
