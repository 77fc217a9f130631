package peer

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestPublisherConnectsAndAnnouncesTracks(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	c.publish(webrtc.MimeTypeVP8, "stream", "camera")
	answer := c.negotiate(nil)
	if !strings.Contains(answer, "a=candidate:") || !strings.Contains(answer, "a=end-of-candidates") {
		t.Errorf("not all candidates are in the answer:\n%s", answer)
	}
	c.connected()
	// No packet was sent: a muted track is announced all the same.
	eventually(t, "tracks announced", func() bool { return c.track("mic") != nil && c.track("camera") != nil })
	mic, camera := c.track("mic"), c.track("camera")
	if mic.Kind() != "audio" || mic.MimeType() != "audio/opus" || mic.StreamID() != "stream" {
		t.Errorf("mic: %s %s %s", mic.Kind(), mic.MimeType(), mic.StreamID())
	}
	if camera.Kind() != "video" || camera.MimeType() != "video/VP8" || camera.Simulcast() != nil {
		t.Errorf("camera: %s %s %v", camera.Kind(), camera.MimeType(), camera.Simulcast())
	}
	c.pub.Close()
	if c.overlaps > 0 {
		t.Error("handler methods ran at the same time")
	}
}

func TestDataFlowsBothWays(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	reliable, lossy := c.dataChannels()
	// Reliable data waits for the channel.
	if err := c.pub.SendData(Reliable, []byte("early"), nil); err != nil {
		t.Fatal(err)
	}
	c.negotiate(nil)
	c.connected()
	eventually(t, "channels open", func() bool {
		return reliable.ReadyState() == webrtc.DataChannelStateOpen && lossy.ReadyState() == webrtc.DataChannelStateOpen
	})
	big := make([]byte, 60000)
	if err := reliable.Send(big); err != nil {
		t.Fatal(err)
	}
	if err := lossy.Send([]byte("perhaps")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "server has both", func() bool { return c.messages() == 2 })
	c.with(func() {
		for _, m := range c.data {
			want := message{Reliable, "_reliable", string(big)}
			if m.label == "_lossy" {
				want = message{Lossy, "_lossy", "perhaps"}
			}
			if m != want {
				t.Errorf("got %v %s, %d bytes", m.kind, m.label, len(m.payload))
			}
		}
	})
	eventually(t, "lossy goes out", func() bool { return c.pub.SendData(Lossy, []byte("lossy"), nil) == nil })
	if err := c.pub.SendData(Reliable, big, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "client has all", func() bool {
		var early, bigOne, lossyOne bool
		c.with(func() {
			for _, m := range c.received {
				early = early || m.payload == "early"
				bigOne = bigOne || len(m.payload) == len(big)
				lossyOne = lossyOne || m.payload == "lossy"
			}
		})
		return early && bigOne && lossyOne
	})
}
