package downtrack

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestPlayoutDelayIsInTensOfMilliseconds(t *testing.T) {
	for _, c := range []struct {
		least, most time.Duration
		want        [3]byte
	}{
		{0, 0, [3]byte{}},
		{100 * time.Millisecond, 2 * time.Second, [3]byte{0x00, 0xa0, 0xc8}},
		{time.Second, 0, [3]byte{0x06, 0x40, 0x64}},
		{time.Hour, time.Hour, [3]byte{0xff, 0xff, 0xff}},
		{-time.Second, -time.Second, [3]byte{}},
	} {
		if got := PlayoutDelay(c.least, c.most); got != c.want {
			t.Errorf("%v to %v is %x, want %x", c.least, c.most, got, c.want)
		}
	}
}

func TestPlayoutDelayIsToldUntilItIsKnown(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		delay := PlayoutDelay(100*time.Millisecond, time.Second)
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out, SequenceExt: 1, PlayoutExt: 2, PlayoutDelay: delay})
		carries := func(why string, want bool) (seq uint16) {
			t.Helper()
			r.send(vp8Key)
			r.ts += 3000
			p := r.one(why)
			if got := p.GetExtension(2); (string(got) == string(delay[:])) != want || len(p.GetExtension(1)) != 2 {
				t.Fatalf("%s: %v", why, &p)
			}
			return p.SequenceNumber
		}
		first := carries("first", true)
		carries("second", true)
		report := func(highest uint16) {
			r.down.HandleRTCP([]rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 9, LastSequenceNumber: uint32(highest)}}}})
		}
		report(first + 1)
		carries("received before it can be understood", true)
		time.Sleep(settling)
		settled := carries("after a while", true)
		report(settled - 1)
		carries("only what came before was received", true)
		report(settled)
		carries("received", false)
		b := *r.down.binding.Load()
		b.SSRC = 10
		r.down.Bind(b)
		carries("another stream", true)
	})
}
