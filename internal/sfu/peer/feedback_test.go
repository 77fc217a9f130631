package peer

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

func TestPublisherHearsWhatArrived(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{registry: webrtc.ConfigureTWCCHeaderExtensionSender})
	c.dataChannels()
	camera, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "camera", "stream")
	if err != nil {
		t.Fatal(err)
	}
	sender, err := c.pc.AddTrack(camera)
	if err != nil {
		t.Fatal(err)
	}
	feedbackc := make(chan *rtcp.TransportLayerCC, 64)
	go func() {
		for {
			pkts, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, pkt := range pkts {
				if cc, ok := pkt.(*rtcp.TransportLayerCC); ok {
					select {
					case feedbackc <- cc:
					default:
					}
				}
			}
		}
	}()
	c.negotiate(nil)
	c.connected()
	sendVP8(t, camera, "feedback", func() bool { return len(feedbackc) >= 3 })
	if cc := <-feedbackc; cc.PacketStatusCount == 0 {
		t.Errorf("feedback %+v", cc)
	}
}

func TestFeedbackRestsWithoutPackets(t *testing.T) {
	writtenc := make(chan []rtcp.Packet, 8)
	f := &feedback{write: func(p []rtcp.Packet) error { writtenc <- p; return nil }}
	for seq := range uint16(20) {
		f.arrived(7, seq, time.Now())
	}
	if pkts := <-writtenc; len(pkts) == 0 || pkts[0].(*rtcp.TransportLayerCC).PacketStatusCount < 19 {
		t.Errorf("wrote %v", pkts)
	}
	f.mu.Lock()
	if f.armed {
		t.Error("the timer goes on")
	}
	f.mu.Unlock()
	f.close()
	f.arrived(7, 50, time.Now())
	if f.armed {
		t.Error("the timer runs after close")
	}
}

func TestHeaderExtensionIsFoundInBothForms(t *testing.T) {
	for _, profile := range []uint16{0xbede, 0x1000} {
		p := rtp.Packet{Header: rtp.Header{Version: 2, Extension: true, ExtensionProfile: profile, CSRC: []uint32{1, 2}}}
		for id, value := range map[uint8][]byte{1: {9}, 3: {1, 2}, 7: {4, 5, 6}} {
			if err := p.SetExtension(id, value); err != nil {
				t.Fatal(err)
			}
		}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got := headerExtension(b, 3); !bytes.Equal(got, []byte{1, 2}) {
			t.Errorf("%x: got %v", profile, got)
		}
		if got := headerExtension(b, 4); got != nil {
			t.Errorf("%x: found %v", profile, got)
		}
		for n := range b {
			_ = headerExtension(b[:n], 3)
		}
	}
}

func FuzzHeaderExtension(f *testing.F) {
	f.Add([]byte{0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x31, 1, 2, 0}, uint8(3))
	f.Add([]byte{0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0, 1, 3, 2, 1, 2}, uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, id uint8) {
		got := headerExtension(b, id)
		var p rtp.Packet
		if id == 0 || id > 14 || p.Unmarshal(b) != nil || !p.Extension {
			return
		}
		if p.ExtensionProfile != 0xbede && p.ExtensionProfile != 0x1000 {
			return
		}
		if want := p.GetExtension(id); !bytes.Equal(got, want) {
			t.Errorf("got %v, pion %v", got, want)
		}
	})
}

func TestFindingAnExtensionAllocatesNothing(t *testing.T) {
	b := []byte{0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x31, 1, 2, 0}
	if n := testing.AllocsPerRun(100, func() { _ = headerExtension(b, 3) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
