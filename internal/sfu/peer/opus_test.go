package peer

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// withRED is a client that knows redundant audio, under payload types of its own.
func withRED(m *webrtc.MediaEngine) error {
	for _, c := range []webrtc.RTPCodecParameters{
		{PayloadType: 109, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}},
		{PayloadType: 60, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mimeRED, ClockRate: 48000, Channels: 2, SDPFmtpLine: "109/109"}},
	} {
		if err := m.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	return nil
}

func TestRedundantAudioGoesToThoseWhoTakeItAndBareToOthers(t *testing.T) {
	f := newTestFactory(t, nil)
	p := newPubClient(t, f, clientOptions{media: withRED})
	p.dataChannels()
	p.pub.Prefer("mic", Preference{MimeType: mimeRED})
	mic, _ := p.publish(mimeRED, "stream", "mic")
	p.negotiate(nil)
	eventually(t, "mic announced", func() bool { return p.track("mic") != nil })
	if c := p.track("mic").UpTrack().Codec(); c.MimeType != mimeRED || !strings.Contains(c.Fmtp, "minptime") {
		t.Errorf("the track is %+v", c)
	}
	knowing, bare := newSubClient(t, f, clientOptions{media: withRED}), newSubClient(t, f, clientOptions{})
	for _, c := range []*subClient{knowing, bare} {
		if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
			t.Fatal(err)
		}
		c.sub.Negotiate()
		c.connected()
	}
	payload := []byte{0x80 | 109, 960 >> 6, 960 << 2 & 0xff, 1, 109, 0xf8, 0xff, 0xfe}
	send(t, mic, 960, payload, "both hear it", func() bool {
		return knowing.packets("TR_mic") > 10 && bare.packets("TR_mic") > 10
	})
	for want, c := range map[string]*subClient{string(payload): knowing, "\xff\xfe": bare} {
		c.with(func() {
			if got := c.reception.got["TR_mic"]; string(got.last) != want {
				t.Errorf("got %x, want %x", got.last, want)
			}
		})
	}
	if r := p.track("mic"); r == nil || upPackets(r) == 0 {
		t.Error("the track was replaced")
	}
}

// Opus that comes without redundancy has it for those who take it, in both modes, under
// the payload types that each has for it, if the track is to have it.
func TestPlainOpusGoesWithRedundancyToThoseWhoTakeIt(t *testing.T) {
	for _, on := range []bool{true, false} {
		f := newTestFactory(t, nil)
		p, mic, _ := publishBoth(t, f)
		up := p.track("mic").UpTrack()
		up.SetRedundancy(on)
		knowing, bare := newSubClient(t, f, clientOptions{media: withRED}), newSubClient(t, f, clientOptions{})
		for _, c := range []*subClient{knowing, bare} {
			if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", up); err != nil {
				t.Fatal(err)
			}
			c.sub.Negotiate()
			c.connected()
		}
		both := newDuplexClient(t, f, clientOptions{media: withRED}, 1, 0)
		both.dataChannels()
		both.add("TR_mic", p, "mic")
		both.offer(nil)
		both.connected()
		sendOpus(t, mic, "all hear it", func() bool {
			return knowing.packets("TR_mic") > 10 && bare.packets("TR_mic") > 10 && both.reception.packets("TR_mic") > 10
		})
		wrapped := func(opus byte) string {
			return string([]byte{0x80 | opus, 960 >> 6, 960 << 2 & 0xff, 3, opus, 0xfc, 0xff, 0xfe, 0xfc, 0xff, 0xfe})
		}
		for name, c := range map[string]struct {
			*reception
			want string
		}{
			"two connections": {&knowing.reception, wrapped(111)}, "one connection": {&both.reception, wrapped(109)},
			"no redundancy": {&bare.reception, "\xfc\xff\xfe"},
		} {
			if !on {
				c.want = "\xfc\xff\xfe"
			}
			c.with(func() {
				if got := c.got["TR_mic"]; string(got.last) != c.want {
					t.Errorf("%s: got %x, want %x", name, got.last, c.want)
				}
			})
		}
	}
}

func TestOpusIsAnsweredAsTheTrackWasAnnounced(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	for id, preference := range map[string]Preference{
		"speech": {DTX: true}, "music": {Stereo: true}, "both": {DTX: true, Stereo: true}, "none": {},
	} {
		c.pub.Prefer(id, preference)
		c.publish(webrtc.MimeTypeOpus, "stream", id)
	}
	c.publish(webrtc.MimeTypeOpus, "stream", "unannounced")
	answer, err := parseLines(c.negotiate(nil))
	if err != nil {
		t.Fatal(err)
	}
	offer, err := parseLines(c.pc.LocalDescription().SDP)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"speech": "10 1 - 1", "music": "10 - 1 1", "both": "10 1 1 1", "none": "10 - - 1", "unannounced": "10 - - 1"}
	for i, o := range offer {
		if o.kind != "audio" {
			continue
		}
		var got []string
		for _, name := range []string{"minptime", "usedtx", "stereo", "useinbandfec"} {
			got = append(got, fmtpValue(answer[i].codecs[0].fmtp, name, "-"))
		}
		if strings.Join(got, " ") != want[o.trackID] {
			t.Errorf("%s: answered %q, want %s", o.trackID, answer[i].codecs[0].fmtp, want[o.trackID])
		}
	}
	// Who hears music is told that it has two channels.
	eventually(t, "announced", func() bool { return c.track("music") != nil && c.track("speech") != nil })
	sub := newSubClient(t, f, clientOptions{})
	for _, id := range []string{"music", "speech"} {
		if _, err := sub.sub.AddTrack("PA_x|TR_"+id, "TR_"+id, c.track(id).UpTrack()); err != nil {
			t.Fatal(err)
		}
	}
	sub.sub.Negotiate()
	sub.connected()
	lines, err := parseLines(sub.lastOffer().sdp)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.kind == "audio" && (fmtpValue(l.codecs[0].fmtp, "sprop-stereo", "0") == "1") != (l.trackID == "TR_music") {
			t.Errorf("%s is offered as %q", l.trackID, l.codecs[0].fmtp)
		}
	}
}
