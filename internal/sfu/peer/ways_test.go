package peer

import (
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// Whichever way ICE finds, media takes it both ways, with its feedback.
func TestMediaTakesTheWayThatICEFinds(t *testing.T) {
	overTCP := func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
		e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	}
	for name, way := range map[string]struct {
		server func(*Options)
		client func(*webrtc.SettingEngine)
	}{
		"the shared UDP port": {},
		"a port of its own":   {server: func(o *Options) { o.UDPPortRange = [2]uint16{42000, 42999} }},
		"TCP":                 {func(o *Options) { o.TCPPort = -1 }, overTCP},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFactory(t, way.server)
			p := newPubClient(t, f, clientOptions{engine: way.client})
			p.dataChannels()
			camera, _ := p.publish(webrtc.MimeTypeVP8, "stream", "camera")
			p.negotiate(nil)
			p.connected()
			eventually(t, "track", func() bool { return p.track("camera") != nil })
			c := newSubClient(t, f, clientOptions{engine: way.client})
			s, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
			if err != nil {
				t.Fatal(err)
			}
			c.sub.Negotiate()
			c.connected()
			sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 50 })
			sendVP8(t, camera, "the client reports", func() bool {
				_, arrived := c.sub.budget.counts()
				return arrived > 0 && s.DownTrack().Stats().Packets >= 50
			})
			if p := c.sub.packets.link.Path(); p == nil || !p.Addr().IsValid() {
				t.Errorf("path %+v", p)
			}
		})
	}
}
