package peer

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// newUpTracks publishes opus "mic" and VP8 "camera" and returns them with
// what they are fed by.
func publishBoth(t *testing.T, f *Factory) (c *pubClient, mic, camera *webrtc.TrackLocalStaticRTP) {
	t.Helper()
	c = newPubClient(t, f, clientOptions{})
	c.dataChannels()
	mic, _ = c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	camera, _ = c.publish(webrtc.MimeTypeVP8, "stream", "camera")
	c.negotiate(nil)
	eventually(t, "tracks announced", func() bool { return c.track("mic") != nil && c.track("camera") != nil })
	return c, mic, camera
}

func TestFirstOfferHasDataChannelsWithoutTracks(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	o := c.lastOffer()
	if len(o.mids) != 0 || !strings.Contains(o.sdp, "webrtc-datachannel") || !strings.Contains(o.sdp, "max-message-size:65536") {
		t.Errorf("offer:\n%s", o.sdp)
	}
	eventually(t, "lossy goes out", func() bool { return c.sub.SendData(Lossy, []byte("perhaps"), nil) == nil })
	if err := c.sub.SendData(Reliable, make([]byte, 64000), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "client has both", func() bool {
		var n int
		c.with(func() { n = len(c.received) })
		return n == 2
	})
}

func TestMediaIsForwarded(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	for _, id := range []string{"mic", "camera"} {
		if _, err := c.sub.AddTrack("PA_x|TR_"+id, "TR_"+id, p.track(id).UpTrack()); err != nil {
			t.Fatal(err)
		}
	}
	c.sub.Negotiate()
	c.connected()
	if o := c.lastOffer(); !strings.Contains(o.sdp, "a=msid:PA_x|TR_camera TR_camera\r\n") || len(o.mids) != 2 {
		t.Errorf("offer %v:\n%s", o.mids, o.sdp)
	}
	sendOpus(t, mic, "audio arrives", func() bool { return c.packets("TR_mic") >= 50 })
	sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 50 })
	c.with(func() {
		o := c.offers[len(c.offers)-1]
		for id, mime := range map[string]string{"TR_mic": "audio/opus", "TR_camera": "video/VP8"} {
			g := c.reception.got[id]
			if g.streamID != "PA_x|"+id || g.mime != mime || o.mids[g.mid] != id || len(g.ssrcs) != 1 {
				t.Errorf("%s: %s %s %s %v", id, g.streamID, g.mime, g.mid, g.ssrcs)
			}
		}
	})
}

// A key frame that goes out before the keys are agreed on is lost, and with it
// the picture.
func TestNothingIsSentBeforeItCanArrive(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	sender, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 20 })
	eventually(t, "all that was sent has arrived", func() bool {
		return uint64(c.packets("TR_camera")) == sender.DownTrack().Stats().Packets
	})
}
