package peer

import (
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestTrafficCountsWhatWasCarriedAlsoAfterItsEnd(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	var senders []*Sender
	for _, id := range []string{"mic", "camera"} {
		s, err := c.sub.AddTrack("PA_x|TR_"+id, "TR_"+id, p.track(id).UpTrack())
		if err != nil {
			t.Fatal(err)
		}
		senders = append(senders, s)
	}
	c.sub.Negotiate()
	c.connected()
	sendOpus(t, mic, "audio arrives", func() bool { return c.packets("TR_mic") >= 20 })
	sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 20 })

	there := f.Traffic()
	if there.Connections != 2 || there.Routes[Route{"udp", "host"}]+there.Routes[Route{"udp", "prflx"}] != 2 {
		t.Errorf("%d connections by %v", there.Connections, there.Routes)
	}
	for name, w := range map[string]Ways{"audio": there.Audio, "video": there.Video} {
		if w.In.Tracks != 1 || w.Out.Tracks != 1 || w.In.Packets < 20 || w.Out.Packets < 20 || w.In.Bytes == 0 || w.Out.Bytes == 0 {
			t.Errorf("%s: %+v", name, w)
		}
	}

	c.sub.RemoveTrack(senders[0])
	without := f.Traffic()
	if without.Audio.Out.Tracks != 0 || without.Audio.Out.Packets < there.Audio.Out.Packets {
		t.Errorf("audio out is %+v after %+v and its end", without.Audio.Out, there.Audio.Out)
	}

	c.sub.Close()
	p.pub.Close()
	after := f.Traffic()
	if after.Connections != 0 || len(after.Routes) != 0 {
		t.Errorf("%d connections are left, by %v", after.Connections, after.Routes)
	}
	for name, pair := range map[string][2]Flow{
		"audio in": {there.Audio.In, after.Audio.In}, "audio out": {there.Audio.Out, after.Audio.Out},
		"video in": {there.Video.In, after.Video.In}, "video out": {there.Video.Out, after.Video.Out},
	} {
		if b, a := pair[0], pair[1]; a.Tracks != 0 || a.Packets < b.Packets || a.Bytes < b.Bytes || a.Lost < b.Lost || a.PLIs < b.PLIs {
			t.Errorf("%s: %+v, before the end %+v", name, a, b)
		}
	}
	if again := f.Traffic(); again.Audio != after.Audio || again.Video != after.Video {
		t.Error("looking at it changes it")
	}
}

func TestTrafficKnowsMediaThatTravelsOverTCP(t *testing.T) {
	f := newTestFactory(t, func(o *Options) { o.TCPPort = -1 })
	c := newSubClient(t, f, clientOptions{engine: func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}})
	c.sub.Negotiate()
	c.connected()
	routes := f.Traffic().Routes
	for r, n := range routes {
		if r.Protocol == "tcp" && n == 1 && len(routes) == 1 {
			return
		}
	}
	t.Errorf("the only connection is over TCP, not %v", routes)
}
