package uptrack

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
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

// The layers of a stream of one spatial layer are those of the dependency descriptor,
// unless the payload tells its own.
func TestTemporalLayersAreToldByTheDependencyDescriptor(t *testing.T) {
	// Templates 0 and 1 are of two temporal layers.
	structure := []byte{0x80, 0x01, 0b0111_1010, 0b0010_0000}
	for _, tt := range []struct {
		name     string
		kind     codec.Kind
		payload  []byte
		temporal uint8
		told     bool
	}{
		{"of VP8, which says nothing itself", codec.VP8, []byte{0x10, 0x01, 0}, 1, true},
		{"of VP8, which says layer 2", codec.VP8, []byte{0x90, 0x20, 0x80, 0x01}, 2, true},
		{"of H264", codec.H264, []byte{0x41, 0}, 1, true},
		{"of VP9, which says that it has a spatial layer", codec.VP9, []byte{0xe8, 0x05, 0x20, 0x09}, 1, true},
		{"of AV1", codec.AV1, []byte{0x10, 0x32}, 1, true},
		{"of padding", codec.AV1, nil, 0, false},
	} {
		var s *codec.Structure
		parse := func(payload []byte, descriptor ...byte) *Packet {
			p := &Packet{Payload: payload, nexts: 1}
			p.exts[0] = extension{2, descriptor}
			s = p.parseCodec(tt.kind, 2, s)
			return p
		}
		if p := parse(tt.payload, 0xc1, 0, 7); p.Descriptor.HasTemporal != (tt.temporal == 2 || tt.kind == codec.VP9) {
			t.Errorf("%s: told before there is a structure", tt.name)
		}
		parse([]byte{0, 0, 0, 0, 0}, append([]byte{0xc0, 0, 8}, structure...)...)
		p := parse(tt.payload, 0xc1, 0, 9)
		if d := p.Descriptor; d.HasTemporal != tt.told || d.Temporal != tt.temporal || d.HasSpatial {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

// A stream that has no spatial layers inside it any more, as those of small pictures
// have none, is one layer with all that it takes.
func TestStreamThatLosesItsSpatialLayersIsOne(t *testing.T) {
	now := time.Unix(1, 0)
	u := New(Options{Codec: Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 2, Now: func() time.Time { return now }})
	defer end(u)
	in := u.AddStream(StreamInfo{SSRC: 5})
	seq := uint16(0)
	play := func(structure []byte, templates ...byte) {
		t.Helper()
		for i := range 60 {
			for j, template := range templates {
				descriptor := []byte{0xc0 | template, 0, byte(i)}
				if i == 0 && j == 0 {
					descriptor = append(descriptor, structure...)
				}
				p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, SequenceNumber: seq, Timestamp: uint32(seq) * 3000}, Payload: make([]byte, 500)}
				seq++
				if err := p.SetExtension(2, descriptor); err != nil {
					t.Fatal(err)
				}
				raw, err := p.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				in.Receive(raw, nil)
			}
			now = now.Add(time.Second / 30)
		}
	}
	play([]byte{0x80, 0x01, 0b10_11_1010, 0b0010_0000}, 0, 1) // two spatial layers
	if rates := u.Rates(now); u.Live() != 0b11 || rates[0] == 0 || rates[1] <= rates[0] {
		t.Fatalf("live %02b with %v", u.Live(), rates)
	}
	play([]byte{0x80, 0x41, 0b01_11_1010, 0b0010_0000}, 2, 3) // two temporal ones, from template 2 on
	if rates := u.Rates(now); u.Live() != 0b01 || rates[0] == 0 || rates[1] != 0 {
		t.Errorf("live %02b with %v", u.Live(), rates)
	}
	if rates := u.TemporalRates(0, now); rates[0] == 0 || rates[1] <= rates[0] {
		t.Errorf("temporal layers take %v", rates)
	}
}
