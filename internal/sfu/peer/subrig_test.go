package peer

import (
	"bytes"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// subClient subscribes: it answers offers.
type subClient struct {
	heard
	t         *testing.T
	pc        *webrtc.PeerConnection
	sub       *Subscriber
	signalc   chan func()
	answerID  func(uint32) uint32
	munge     func(string) string // of answers
	mute      bool                // do not answer; heard.mu guards
	reception reception
	received  []message
	streams   []string // states told; heard.mu guards
}

// gotTrack is what arrived of a track; heard.mu guards.
type gotTrack struct {
	last                []byte // payload
	streamID, mid, mime string
	packets             int
	seqs                []uint16
	ssrcs               map[uint32]bool
	exts                map[uint8]int
}

func newSubClient(t *testing.T, f *Factory, o clientOptions) *subClient {
	t.Helper()
	c := &subClient{
		t: t, signalc: make(chan func(), 4096),
		answerID: func(id uint32) uint32 { return id }, munge: func(s string) string { return s },
	}
	c.reception = reception{mu: &c.mu, got: map[string]*gotTrack{}}
	c.pc = newClientPC(t, o)
	sub, err := f.NewSubscriber(SubscriberOptions{Handler: c, AllowPause: true, FreshSections: true, Logger: testLogger()})
	if err != nil {
		t.Fatal(err)
	}
	c.sub = sub
	t.Cleanup(sub.Close)
	donec, stopc := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stopc); <-donec; _ = c.pc.GracefulClose(); c.reception.end() })
	go func() {
		defer close(donec)
		for {
			select {
			case f := <-c.signalc:
				f()
			case <-stopc:
				return
			}
		}
	}()
	c.pc.OnICECandidate(func(cand *webrtc.ICECandidate) {
		if cand != nil {
			if err := sub.AddCandidate(mustJSON(cand.ToJSON())); err != nil && err != ErrClosed {
				t.Errorf("candidate: %v", err)
			}
		}
	})
	c.pc.OnTrack(c.onTrack)
	c.pc.OnDataChannel(func(dc *webrtc.DataChannel) {
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			c.with(func() { c.received = append(c.received, message{label: dc.Label(), payload: string(m.Data)}) })
		})
	})
	return c
}

func (c *subClient) onTrack(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	c.reception.take(c.t, track, receiver)
}

// reception is what a client received. mu is of the client's.
type reception struct {
	mu        *sync.Mutex
	got       map[string]*gotTrack // by track id
	tracks    []*webrtc.TrackRemote
	receiveWG sync.WaitGroup
}

// end waits for the readers. It is for after the client's end, which pion does not
// tell to all of them: a receiver that a renegotiation replaces meanwhile is
// forgotten.
func (c *reception) end() {
	if c.mu == nil {
		return // there is no client
	}
	c.with(func() {
		for _, track := range c.tracks {
			_ = track.SetReadDeadline(time.Now())
		}
	})
	c.receiveWG.Wait()
}

func (c *reception) with(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *reception) packets(trackID string) (n int) {
	c.with(func() {
		if g := c.got[trackID]; g != nil {
			n = g.packets
		}
	})
	return n
}

// take reads a track until it ends.
func (c *reception) take(t *testing.T, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	mid := receiver.RTPTransceiver().Mid()
	c.with(func() {
		c.tracks = append(c.tracks, track)
		c.got[track.ID()] = &gotTrack{
			streamID: track.StreamID(), mid: mid, mime: track.Codec().MimeType,
			ssrcs: map[uint32]bool{}, exts: map[uint8]int{},
		}
	})
	id := track.ID()
	c.receiveWG.Go(func() {
		b := make([]byte, 1500)
		for {
			n, _, err := track.Read(b)
			if err != nil {
				return
			}
			var p rtp.Packet
			if err := p.Unmarshal(b[:n]); err != nil {
				t.Errorf("packet: %v", err)
				continue
			}
			c.with(func() {
				g := c.got[id]
				g.packets++
				g.last = bytes.Clone(p.Payload)
				g.seqs = append(g.seqs, p.SequenceNumber)
				g.ssrcs[p.SSRC] = true
				for _, ext := range p.GetExtensionIDs() {
					g.exts[ext]++
				}
			})
		}
	})
}

func (c *subClient) SubscriberOffer(sdp string, id uint32, mids map[string]string) {
	defer c.turn()()
	if n := len(c.offers); n > 0 && c.offers[n-1].id >= id {
		c.t.Errorf("offer id %d after %d", id, c.offers[n-1].id)
	}
	c.offers = append(c.offers, offer{sdp, id, maps.Clone(mids)})
	if c.mute {
		return
	}
	c.signalc <- func() { c.answer(sdp, id) }
}

func (c *subClient) answer(sdp string, id uint32) {
	err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp})
	if err != nil {
		c.t.Errorf("client takes offer: %v\n%s", err, sdp)
		return
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		c.t.Errorf("client answers: %v", err)
		return
	}
	if err := c.pc.SetLocalDescription(answer); err != nil {
		c.t.Errorf("client answers: %v", err)
		return
	}
	c.sub.Answer(c.munge(answer.SDP), c.answerID(id))
}

func (c *subClient) SubscriberState(s State) {
	defer c.turn()()
	c.states = append(c.states, s)
}

func (c *subClient) StreamState(s *Sender, paused bool) {
	defer c.turn()()
	word := s.TrackID() + " flows"
	if paused {
		word = s.TrackID() + " is paused"
	}
	c.streams = append(c.streams, word)
}

func (c *subClient) SenderFailed(s *Sender, err error) {
	defer c.turn()()
	c.senders = append(c.senders, err)
}

func (c *subClient) Data(kind DataKind, label string, payload []byte) {
	defer c.turn()()
	c.data = append(c.data, message{kind, label, string(payload)})
}

func (c *subClient) NegotiationFailed(err error) {
	defer c.turn()()
	c.failed = append(c.failed, err)
}

func (c *subClient) connected() {
	c.t.Helper()
	eventually(c.t, "subscriber connected", func() bool { return c.heard.state() == Connected })
}

func (c *subClient) packets(trackID string) int { return c.reception.packets(trackID) }

func (c *subClient) lastOffer() (o offer) {
	c.with(func() {
		if n := len(c.offers); n > 0 {
			o = c.offers[n-1]
		}
	})
	return o
}

// settled waits until every offer is answered and none is due.
func (c *subClient) settled() {
	c.t.Helper()
	eventually(c.t, "negotiation settled", func() bool {
		resultc := make(chan bool, 1)
		err := c.sub.queue.post(func() {
			resultc <- !c.sub.outstanding && !c.sub.wanted
		})
		return err == nil && <-resultc
	})
}

// sendVP8 sends key frames until the condition holds: each frame is one packet
// that starts a frame by itself, as a decoder needs to begin.
func sendVP8(t *testing.T, track *webrtc.TrackLocalStaticRTP, what string, condition func() bool) {
	t.Helper()
	send(t, track, 3000, []byte{0x10, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01, 0, 0, 0}, what, condition)
}

// sendOpus sends 20 ms frames until the condition holds.
func sendOpus(t *testing.T, track *webrtc.TrackLocalStaticRTP, what string, condition func() bool) {
	t.Helper()
	send(t, track, 960, []byte{0xfc, 0xff, 0xfe}, what, condition)
}

func send(t *testing.T, track *webrtc.TrackLocalStaticRTP, step uint32, payload []byte, what string, condition func() bool) {
	t.Helper()
	var seq uint16
	var ts uint32
	eventually(t, what, func() bool {
		seq, ts = seq+1, ts+step
		err := track.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: ts},
			Payload: payload,
		})
		if err != nil {
			t.Errorf("send: %v", err)
		}
		return condition()
	})
}
