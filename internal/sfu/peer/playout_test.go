package peer

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// A track says by itself how long receivers should wait with it, on a connection that
// has others, of which none is told anything.
func TestTracksSayHowLongToWait(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{media: func(m *webrtc.MediaEngine) error {
		if err := m.RegisterDefaultCodecs(); err != nil {
			return err
		}
		return m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: extPlayoutDelay}, webrtc.RTPCodecTypeVideo)
	}})
	inputs := make(map[string]*uptrack.Input)
	for id, delay := range map[string][2]time.Duration{"TR_waits": {120 * time.Millisecond, 40 * time.Second}, "TR_does_not": {}} {
		up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90_000}, PlayoutDelay: delay})
		t.Cleanup(up.Close)
		inputs[id] = up.AddStream(uptrack.StreamInfo{SSRC: 1})
		if _, err := c.sub.AddTrack("PA_x|"+id, id, up); err != nil {
			t.Fatal(err)
		}
	}
	c.sub.Negotiate()
	c.connected()
	found := regexp.MustCompile(`a=extmap:(\d+) ` + regexp.QuoteMeta(extPlayoutDelay)).FindStringSubmatch(c.lastOffer().sdp)
	if found == nil {
		t.Fatalf("it is not offered:\n%s", c.lastOffer().sdp)
	}
	ext, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	seq := uint16(0)
	eventually(t, "pictures", func() bool {
		seq++
		for _, in := range inputs {
			// The first bytes of a key frame of 16 by 16.
			payload := append([]byte{0x10, 0x10, 0, 0, 0x9d, 1, 0x2a}, binary.LittleEndian.AppendUint32(nil, 16|16<<16)...)
			raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 1, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true}, Payload: payload}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			in.Receive(raw, nil)
		}
		return c.packets("TR_waits") > 5 && c.packets("TR_does_not") > 5
	})
	c.with(func() {
		told := fmt.Sprint(c.reception.got["TR_waits"].exts[uint8(ext)] > 0, c.reception.got["TR_does_not"].exts[uint8(ext)])
		if told != "true 0" {
			t.Errorf("told: %s", told)
		}
	})
}
