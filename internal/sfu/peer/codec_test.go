package peer

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

func TestFirstPacketDecidesTheCodec(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	// The offer lists VP8 first, but the client sends VP9.
	track, _ := c.publish(webrtc.MimeTypeVP9, "stream", "camera")
	c.negotiate(nil)
	eventually(t, "camera announced", func() bool { return c.track("camera") != nil })
	first := c.track("camera")
	if first.MimeType() != "video/VP8" {
		t.Fatalf("answered %s first", first.MimeType())
	}
	send(t, track, 3000, []byte{0x8c, 0x00, 0x18, 0x10, 0x00}, "VP9 arrives", func() bool {
		r := c.track("camera")
		return r != nil && r != first && upPackets(r) > 5
	})
	if r := c.track("camera"); r.MimeType() != "video/VP9" || r.UpTrack().Codec().MimeType != "video/VP9" {
		t.Errorf("announced as %s", r.MimeType())
	}
	if !slices.Equal(c.ended, []string{"camera"}) {
		t.Errorf("ended %v", c.ended)
	}
}

func TestDisabledCodecsAreNotAnswered(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClientCodecs(t, f, clientOptions{}, []string{"audio/opus", "video/vp8"})
	c.dataChannels()
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	c.publish(webrtc.MimeTypeVP8, "stream", "camera")
	answer := c.negotiate(nil)
	for _, codec := range []string{"VP9", "H264", "AV1", "PCMU"} {
		if strings.Contains(answer, codec+"/") {
			t.Errorf("%s answered", codec)
		}
	}
	c.connected()
	eventually(t, "camera announced", func() bool { return c.track("camera") != nil })
}

func TestSectionWithoutACodecIsRejectedAlone(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClientCodecs(t, f, clientOptions{}, []string{"audio/opus"})
	c.dataChannels()
	c.publish(webrtc.MimeTypeVP8, "stream", "camera")
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	// pion as a client cannot take such an answer; browsers can.
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.with(func() { c.nextID = 1 })
	c.pub.Offer(offer.SDP, 1)
	var answer string
	select {
	case answer = <-c.answerc:
	case <-time.After(patience):
		t.Fatalf("no answer: %v", c.failure())
	}
	lines, err := parseLines(answer)
	if err != nil {
		t.Fatal(err)
	}
	if !lines[0].rejected || lines[0].mid != "0" || lines[1].rejected || lines[1].mid != "1" {
		t.Errorf("answer:\n%s", answer)
	}
	if group := attribute(answer, "group"); !slices.Equal(group, []string{"BUNDLE 1 2"}) {
		t.Errorf("group %v", group)
	}
}

// onlyVP8 is a client that decodes nothing else.
func onlyVP8(m *webrtc.MediaEngine) error {
	return m.RegisterCodec(webrtc.RTPCodecParameters{
		PayloadType:        96,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000},
	}, webrtc.RTPCodecTypeVideo)
}

func TestSenderFailsAloneWhenItsCodecIsRejected(t *testing.T) {
	f := newTestFactory(t, nil)
	p := newPubClient(t, f, clientOptions{})
	p.dataChannels()
	vp8, _ := p.publish(webrtc.MimeTypeVP8, "stream", "vp8")
	vp9, _ := p.publish(webrtc.MimeTypeVP9, "stream", "vp9")
	p.negotiate(nil)
	eventually(t, "tracks announced", func() bool { return p.track("vp8") != nil && p.track("vp9") != nil })
	sendVP8(t, vp8, "VP8", func() bool { return upPackets(p.track("vp8")) > 0 })
	send(t, vp9, 3000, []byte{0x8c, 0x00, 0x18, 0x10, 0x00}, "VP9", func() bool {
		r := p.track("vp9")
		return r != nil && r.MimeType() == "video/VP9"
	})

	c := newSubClient(t, f, clientOptions{media: onlyVP8})
	bad, err := c.sub.AddTrack("PA_x|TR_vp9", "TR_vp9", p.track("vp9").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.sub.AddTrack("PA_x|TR_vp8", "TR_vp8", p.track("vp8").UpTrack()); err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	c.settled()
	eventually(t, "the sender fails", func() bool {
		var failed bool
		c.with(func() { failed = len(c.senders) == 1 && errors.Is(c.senders[0], ErrCodecRejected) })
		return failed
	})
	sendVP8(t, vp8, "VP8 arrives", func() bool { return c.packets("TR_vp8") > 5 })
	c.sub.RemoveTrack(bad)
	c.settled()
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestReportsAndRetransmissions(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	s, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 20 })

	var receiver *webrtc.RTPReceiver
	for _, tr := range c.pc.GetTransceivers() {
		if tr.Receiver() != nil && tr.Receiver().Track() != nil {
			receiver = tr.Receiver()
		}
	}
	if receiver.Track().RtxSSRC() == 0 {
		t.Error("no rtx offered")
	}
	reportc := make(chan *rtcp.SenderReport, 16)
	c.reception.receiveWG.Go(func() {
		for {
			pkts, _, err := receiver.ReadRTCP()
			if err != nil {
				return
			}
			for _, pkt := range pkts {
				if sr, ok := pkt.(*rtcp.SenderReport); ok {
					select {
					case reportc <- sr:
					default:
					}
				}
			}
		}
	})
	sendVP8(t, camera, "a sender report about all of that", func() bool {
		select {
		case sr := <-reportc:
			if sr.SSRC != uint32(receiver.Track().SSRC()) {
				t.Errorf("report %+v", sr)
			}
			return sr.PacketCount >= 20 // an earlier one may have waited here
		default:
			return false
		}
	})
	// Ask for a packet again, as if it had been lost.
	var lost uint16
	c.with(func() { g := c.reception.got["TR_camera"]; lost = g.seqs[len(g.seqs)-1] })
	err = c.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: uint32(receiver.Track().SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{lost}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "retransmission", func() bool { return s.DownTrack().Stats().Retransmitted >= 1 })
	sendVP8(t, camera, "it arrives", func() bool {
		n := 0
		c.with(func() {
			for _, seq := range c.reception.got["TR_camera"].seqs {
				if seq == lost {
					n++
				}
			}
		})
		return n == 2
	})
}

func TestExtensionsKeepTheirMeaning(t *testing.T) {
	f := newTestFactory(t, nil)
	withCapture := func(m *webrtc.MediaEngine) error {
		if err := m.RegisterDefaultCodecs(); err != nil {
			return err
		}
		for _, uri := range []string{extAudioLevel, extAbsCaptureTime} {
			err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeAudio)
			if err != nil {
				return err
			}
		}
		return nil
	}
	p := newPubClient(t, f, clientOptions{media: withCapture})
	p.dataChannels()
	mic, sender := p.publish(webrtc.MimeTypeOpus, "stream", "mic")
	p.negotiate(nil)
	eventually(t, "mic announced", func() bool { return p.track("mic") != nil })
	ids := map[string]uint8{}
	for _, e := range sender.GetParameters().HeaderExtensions {
		ids[e.URI] = uint8(e.ID)
	}
	c := newSubClient(t, f, clientOptions{media: withCapture})
	if _, err := c.sub.AddTrack("PA_x|TR_mic", "TR_mic", p.track("mic").UpTrack()); err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	var seq uint16
	eventually(t, "audio arrives", func() bool {
		seq++
		pkt := &rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 960},
			Payload: []byte{0xfc, 0xff, 0xfe},
		}
		_ = pkt.SetExtension(ids[extAudioLevel], []byte{0x80 | 20})
		_ = pkt.SetExtension(ids[extAbsCaptureTime], []byte{1, 2, 3, 4, 5, 6, 7, 8})
		if err := mic.WriteRTP(pkt); err != nil {
			t.Error(err)
		}
		return c.packets("TR_mic") > 10
	})
	lines, err := parseLines(c.lastOffer().sdp)
	if err != nil {
		t.Fatal(err)
	}
	want := lines[1].exts[extAbsCaptureTime] // behind data
	c.with(func() {
		g := c.reception.got["TR_mic"]
		if len(g.exts) != 1 || g.exts[want] != g.packets {
			t.Errorf("extensions %v in %d packets, want only %d", g.exts, g.packets, want)
		}
	})
}

func TestEachCodecIsForwardedFromWhereItBegins(t *testing.T) {
	f := newTestFactory(t, nil)
	for _, c := range []struct {
		mime    string
		step    uint32
		payload []byte
	}{
		{webrtc.MimeTypePCMU, 160, make([]byte, 160)},
		{webrtc.MimeTypePCMA, 160, make([]byte, 160)},
		{webrtc.MimeTypeH264, 3000, []byte{0x67, 0x42, 0xc0, 0x0a}},
		{webrtc.MimeTypeH265, 3000, []byte{32 << 1, 1, 0x0c, 0x01}},
		{webrtc.MimeTypeAV1, 3000, []byte{0x18, 0x0a, 0x01}},
	} {
		t.Run(c.mime, func(t *testing.T) {
			p := newPubClient(t, f, clientOptions{})
			p.dataChannels()
			p.pub.Prefer("track", Preference{MimeType: c.mime})
			track, _ := p.publish(c.mime, "stream", "track")
			p.negotiate(nil)
			eventually(t, "announced", func() bool { return p.track("track") != nil })
			if got := p.track("track").MimeType(); got != c.mime {
				t.Fatalf("announced as %s", got)
			}
			sub := newSubClient(t, f, clientOptions{})
			if _, err := sub.sub.AddTrack("PA_x|TR_track", "TR_track", p.track("track").UpTrack()); err != nil {
				t.Fatal(err)
			}
			sub.sub.Negotiate()
			sub.connected()
			send(t, track, c.step, c.payload, "it arrives", func() bool { return sub.packets("TR_track") > 5 })
			sub.with(func() {
				if got := sub.reception.got["TR_track"].mime; !strings.EqualFold(got, c.mime) {
					t.Errorf("it is offered as %s", got)
				}
			})
		})
	}
}
