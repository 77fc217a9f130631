package peer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// publishSimulcast sends three layers and returns a function that sends one
// key frame on each.
func (c *pubClient) publishSimulcast(trackID string) func(seq uint16, ts uint32) {
	c.t.Helper()
	var tracks []*webrtc.TrackLocalStaticRTP
	var sender *webrtc.RTPSender
	for _, rid := range []string{"q", "h", "f"} {
		track, err := webrtc.NewTrackLocalStaticRTP(
			webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000},
			trackID, "stream", webrtc.WithRTPStreamID(rid))
		if err != nil {
			c.t.Fatal(err)
		}
		tracks = append(tracks, track)
		if sender == nil {
			if sender, err = c.pc.AddTrack(track); err != nil {
				c.t.Fatal(err)
			}
			continue
		}
		if err := sender.AddEncoding(track); err != nil {
			c.t.Fatal(err)
		}
	}
	c.drain(sender)
	return func(seq uint16, ts uint32) {
		// Browsers send mid and rid until they are acknowledged.
		var mid, rid uint8
		for _, e := range sender.GetParameters().HeaderExtensions {
			switch e.URI {
			case extMID:
				mid = uint8(e.ID)
			case extRID:
				rid = uint8(e.ID)
			}
		}
		var section string
		for _, tr := range c.pc.GetTransceivers() {
			if tr.Sender() == sender {
				section = tr.Mid()
			}
		}
		for _, track := range tracks {
			p := &rtp.Packet{
				Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: ts},
				Payload: []byte{0x10, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01, 0, 0, 0},
			}
			if err := p.SetExtension(mid, []byte(section)); err != nil {
				c.t.Error(err)
			}
			if err := p.SetExtension(rid, []byte(track.RID())); err != nil {
				c.t.Error(err)
			}
			if err := track.WriteRTP(p); err != nil {
				c.t.Error(err)
			}
		}
	}
}

func TestSimulcastLayersReachOneUpTrack(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	frame := c.publishSimulcast("camera")
	c.negotiate(nil)
	eventually(t, "track announced", func() bool { return c.track("camera") != nil })
	r := c.track("camera")
	if got := r.Simulcast(); !slices.Equal(got, []string{"q", "h", "f"}) {
		t.Errorf("rids %v", got)
	}
	var seq uint16
	eventually(t, "all layers arrive", func() bool {
		seq++
		frame(seq, uint32(seq)*3000)
		layers := 0
		for _, l := range r.UpTrack().Stats().Layers {
			if l.Packets > 10 {
				layers++
			}
		}
		return layers == 3
	})
	if c.track("camera") != r || len(c.ended) != 0 {
		t.Error("receiver changed")
	}
	if t.Failed() {
		fmt.Printf("%+v\n", r.UpTrack().Stats())
	}
}

func upPackets(r *Receiver) (n uint64) {
	for _, l := range r.UpTrack().Stats().Layers {
		n += l.Packets
	}
	return n
}
