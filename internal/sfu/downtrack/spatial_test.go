package downtrack

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

var vp9 = uptrack.Options{Codec: uptrack.Codec{MimeType: "video/VP9", ClockRate: 90000}}

// picture sends picture n in three spatial layers of two packets each.
func (r *rig) picture(n int, key bool, lose func(spatial, i int) bool) {
	r.t.Helper()
	r.ts += 3000
	for spatial := range 3 {
		for i := range 2 {
			first := byte(0xa0) // I, L
			if !key {
				first |= 0x40 // P
			}
			first |= []byte{0x08, 0x04}[i] // B, E
			p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, SequenceNumber: r.seq, Timestamp: r.ts, Marker: spatial == 2 && i == 1},
				Payload: []byte{first, 0x80 | byte(n>>8), byte(n), byte(spatial) << 1, byte(n)}}
			r.seq++
			p.Payload = binary.BigEndian.AppendUint16(p.Payload, uint16(n))
			if lose != nil && lose(spatial, i) {
				continue
			}
			raw, err := p.Marshal()
			if err != nil {
				r.t.Fatal(err)
			}
			r.packets <- raw
			r.pass(0)
		}
	}
}

// layersSent is the spatial layers of what was written, one digit a packet and
// a bar for each marker.
func layersSent(packets []rtp.Packet) (s string) {
	for _, p := range packets {
		s += fmt.Sprint(codec.Parse(codec.VP9, p.Payload).Spatial)
		if p.Marker {
			s += "|"
		}
	}
	return s
}

func TestSpatialLayersInsideAStreamAreLeftOut(t *testing.T) {
	withRig(t, vp9, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out})
		var all []rtp.Packet
		want := func(why, want string) {
			t.Helper()
			got := r.out.take()
			all = append(all, got...)
			if s := layersSent(got); s != want {
				t.Fatalf("%s: sent %s, want %s", why, s, want)
			}
		}
		r.picture(1, true, nil)
		want("everything", "001122|")
		r.down.SetAllotted(0)
		r.picture(2, false, nil)
		want("the base, which now ends the picture", "00|")
		plis := r.plis.Load()
		r.pass(time.Second)
		r.down.SetAllotted(2)
		r.picture(3, false, nil)
		want("higher layers need a key frame", "00|")
		if r.plis.Load() == plis {
			t.Error("none was asked for")
		}
		r.down.SetMaxLayer(1)
		r.picture(4, true, nil)
		want("the subscriber wants no more", "0011|")

		for i := 1; i < len(all); i++ {
			if all[i].SequenceNumber != all[i-1].SequenceNumber+1 {
				t.Fatalf("hole before packet %d", i)
			}
		}
		// What is sent again is what was sent, the marker too.
		last := all[len(all)-1]
		r.nack(9, last.SequenceNumber)
		if again := r.one("sent again"); !again.Marker || layersSent([]rtp.Packet{again}) != "1|" {
			t.Errorf("sent again: %+v", again.Header)
		}
	})
}

func TestLatePacketsOfALayerLeftOutAreBlank(t *testing.T) {
	withRig(t, vp9, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out})
		r.down.SetMaxLayer(0)
		r.picture(1, true, nil)
		r.picture(2, false, func(spatial, i int) bool { return spatial == 2 && i == 0 })
		late := r.seq - 2
		r.picture(3, false, nil)
		before := r.out.take()
		r.sendAs(late, []byte{0xe8, 0x80, 2, 2 << 1, 2, 0, 2})
		p := r.one("its number")
		if len(p.Payload) != 0 || !p.Padding {
			t.Errorf("%d bytes of a layer that is left out", len(p.Payload))
		}
		for _, b := range before {
			if b.SequenceNumber == p.SequenceNumber {
				t.Error("the number was used")
			}
		}
	})
}

// AV1 says nothing of its layers; the dependency descriptor does.
func TestSpatialLayersAreToldByTheDependencyDescriptor(t *testing.T) {
	opts := uptrack.Options{Codec: uptrack.Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 4}
	withRig(t, opts, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out, Extensions: []Ext{{From: 4, To: 4}}})
		// The structure: templates 0 and 1, spatial layers 0 and 1.
		structure := []byte{0x80, 0x00, 0b1011_0000}
		number := uint16(500)
		picture := func(key bool) {
			r.ts += 3000
			for spatial := range byte(2) {
				for i := range byte(2) {
					dd := []byte{[]byte{0x80, 0x40}[i] | spatial, byte(number >> 8), byte(number)}
					payload := []byte{0x10, spatial, i}
					if key && spatial == 0 && i == 0 {
						dd = append(dd, structure...)
						payload[0] = 0x18
					}
					r.send(payload, 4, dd)
				}
				number++
			}
		}
		want := func(why string, want ...byte) {
			t.Helper()
			var got []byte
			packets := r.out.take()
			for _, p := range packets {
				got = append(got, p.Payload[1])
			}
			if string(got) != string(want) {
				t.Fatalf("%s: layers %v, want %v", why, got, want)
			}
			if last := packets[len(packets)-1]; want[len(want)-1] == 0 && !last.Marker {
				t.Fatalf("%s: the last packet has no marker", why)
			}
		}
		picture(true)
		want("everything", 0, 0, 1, 1)
		picture(false)
		want("by the structure that came before", 0, 0, 1, 1)
		r.down.SetAllotted(0)
		picture(false)
		want("the base", 0, 0)
		r.down.SetAllotted(1)
		picture(false)
		want("higher layers need a key frame", 0, 0)
		picture(true)
		want("here it is", 0, 0, 1, 1)
	})
}
