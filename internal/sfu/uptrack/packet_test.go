package uptrack

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

func FuzzReceive(f *testing.F) {
	for _, pkt := range headers(f) {
		f.Add(uint8(0), pkt)
	}
	mimes := []string{"video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus"}
	f.Fuzz(func(t *testing.T, codec uint8, raw []byte) {
		now := time.Unix(1, 0)
		u := New(Options{Codec: Codec{MimeType: mimes[int(codec)%len(mimes)], ClockRate: 90000},
			AudioLevelExt: 1, DependencyDescriptorExt: 2, NACK: true, Now: func() time.Time { return now }})
		defer end(u)
		u.mu.Lock()
		l := u.layerFor(StreamInfo{})
		u.mu.Unlock()
		u.Attach(sinkFunc(func(p *Packet) { p.Descriptor.Put(p.Payload) }))
		var p Packet
		// Whole, and cut into two packets anywhere.
		cut := 0
		if len(raw) > 0 {
			cut = int(raw[0]) % len(raw)
		}
		for _, b := range [][]byte{raw, raw[:cut], raw[cut:]} {
			u.receive(l, 0, b, &p, nil)
		}
	})
}

type sinkFunc func(p *Packet)

// Blank implements Sink.
func (f sinkFunc) Prepare(int) {}

func (f sinkFunc) Blank(time.Time) {}

func (f sinkFunc) Write(p *Packet) { f(p) }

// headers are packets with everything a header can have.
func headers(t testing.TB) [][]byte {
	plain := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: 1, SSRC: 2}, Payload: []byte{0x90, 0xf0, 0x81, 0x23, 0x45, 0x27, 0}}
	full := plain
	full.CSRC = []uint32{1, 2, 3}
	full.Padding, full.PaddingSize = true, 7
	full.Marker = true
	one := full
	if err := one.SetExtension(1, []byte{0x85}); err != nil {
		t.Fatal(err)
	}
	if err := one.SetExtension(2, []byte{0x80, 0, 9, 0x80}); err != nil {
		t.Fatal(err)
	}
	two := full
	two.Extension, two.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
	two.Extensions = nil
	if err := two.SetExtension(20, make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	if err := two.SetExtension(2, []byte{0x80, 0, 9}); err != nil {
		t.Fatal(err)
	}
	var raws [][]byte
	for _, p := range []rtp.Packet{plain, full, one, two} {
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	return raws
}

func TestHeadersParseAsTheLibraryParsesThem(t *testing.T) {
	for i, raw := range headers(t) {
		var p Packet
		var want rtp.Packet
		if !p.parseHeader(raw) {
			t.Fatalf("packet %d refused", i)
		}
		if err := want.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		if p.SSRC != want.SSRC || p.seq16 != want.SequenceNumber || p.Timestamp != want.Timestamp ||
			p.Marker != want.Marker || p.PayloadType != want.PayloadType || !slices.Equal(p.Payload, want.Payload) {
			t.Fatalf("packet %d: %+v, want %+v", i, p, want)
		}
		if ids := want.GetExtensionIDs(); len(ids) != p.nexts {
			t.Fatalf("packet %d: %d extensions, want %d", i, p.nexts, len(ids))
		}
		for _, id := range want.GetExtensionIDs() {
			if !slices.Equal(p.Extension(id), want.GetExtension(id)) {
				t.Fatalf("packet %d: extension %d is %x", i, id, p.Extension(id))
			}
		}
		for n := range raw { // must not panic, and must not read on
			p.parseHeader(raw[:n:n])
		}
	}
}
