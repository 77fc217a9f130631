package client

import (
	"bytes"
	"slices"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// redWire is what a packet with redundancy looks like.
func redWire(t testing.TB, s *redSender, seq uint16, timestamp uint32, payload string) []byte {
	t.Helper()
	p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: timestamp, PayloadType: 63}, Payload: []byte(payload)}
	p.Payload = slices.Clone(s.payload(p, 111))
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newTestREDReceiver() *redReceiver {
	return &redReceiver{red: 63, opus: webrtc.RTPCodecParameters{PayloadType: 111}}
}

// received are the payloads that come out of a packet.
func received(t testing.TB, r *redReceiver, packet []byte) (all []string) {
	t.Helper()
	out := make([]byte, receiveMTU)
	var p rtp.Packet
	if r.take(copy(r.b[:], packet)) {
		if err := p.Unmarshal(packet); err != nil {
			t.Fatal(err)
		}
		return []string{string(p.Payload)}
	}
	for r.left {
		n, err := r.block(out)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Unmarshal(out[:n]); err != nil || p.PayloadType != 111 {
			t.Fatalf("%+v, %v", p, err)
		}
		all = append(all, string(p.Payload))
	}
	return all
}

func TestRedundancyIsTakenOut(t *testing.T) {
	var s redSender
	wire := [][]byte{
		redWire(t, &s, 65534, 960, "a"), redWire(t, &s, 65535, 1920, "b"), redWire(t, &s, 0, 2880, "c"),
		redWire(t, &s, 1, 1<<20, "d"), // after a long silence: it stands alone
		redWire(t, &s, 2, 1<<20+960, string(make([]byte, 1190))),
		redWire(t, &s, 3, 1<<20+1920, "f"), // the one before is too long
	}
	for _, c := range []struct {
		what  string
		order []int
		want  []string
	}{
		{"all of them", []int{0, 1, 2}, []string{"a", "b", "c"}},
		{"one lost", []int{0, 2}, []string{"a", "b", "c"}},
		{"one late that was made up for", []int{0, 2, 1, 3}, []string{"a", "b", "c", "d"}},
		{"one twice", []int{0, 2, 1, 1, 3}, []string{"a", "b", "c", "d"}},
		{"two lost", []int{0, 3}, []string{"a", "d"}},
		{"nothing to make up with", []int{3, 5}, []string{"d", "f"}},
	} {
		r := newTestREDReceiver()
		var got []string
		for _, i := range c.order {
			got = append(got, received(t, r, wire[i])...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func FuzzRED(f *testing.F) {
	var s redSender
	f.Add(redWire(f, &s, 1, 960, "a"), redWire(f, &s, 3, 2880, "c"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r := newTestREDReceiver()
		for _, packet := range [][]byte{a, b} {
			if len(packet) > receiveMTU || bytes.Equal(packet, nil) {
				continue
			}
			out := make([]byte, receiveMTU)
			r.take(copy(r.b[:], packet))
			for blocks := 0; r.left; blocks++ {
				if n, err := r.block(out); err == nil && n > receiveMTU || blocks > 20 {
					t.Fatalf("%d bytes, %d blocks, %v", n, blocks, err)
				}
			}
		}
	})
}
