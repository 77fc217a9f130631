package codec

import (
	"encoding/hex"
	"testing"
)

// bitString makes bytes of zeros and ones; anything else is for the reader.
func bitString(s string) (b []byte) {
	n := 0
	for _, c := range s {
		if c != '0' && c != '1' {
			continue
		}
		if n%8 == 0 {
			b = append(b, 0)
		}
		b[n/8] |= byte(c-'0') << (7 - n%8)
		n++
	}
	return b
}

// l2t2 is a key frame's descriptor with two spatial layers of two temporal
// layers each, two templates for the upper base: five templates from 62 on.
var l2t2 = bitString("1 0 111110 0000000100000010" + // start, template 62, frame 258
	"1 0 0 0 0" + // the structure is there
	"111110 00011" + // offset 62, four decode targets
	"01 10 00 01 11" + // S0T0 S0T1 S1T0 S1T0 S1T1
	"10101010 10101010 10101010 10101010 10101010")

func TestStructureTellsLayersOfTemplates(t *testing.T) {
	s, ok := ParseStructure(l2t2)
	if !ok || s.MaxSpatial != 1 {
		t.Fatalf("%+v, %v", s, ok)
	}
	want := map[uint8][2]uint8{62: {0, 0}, 63: {0, 1}, 0: {1, 0}, 1: {1, 0}, 2: {1, 1}}
	for template := range uint8(64) {
		spatial, temporal, ok := s.Layer(template)
		w, known := want[template]
		if ok != known || ok && (spatial != w[0] || temporal != w[1]) {
			t.Errorf("template %d: layers %d %d, %v", template, spatial, temporal, ok)
		}
	}
	d, _ := ParseDependencyDescriptor(l2t2)
	if d.Template != 62 || d.FrameNumber != 258 || !d.Keyframe() {
		t.Errorf("%+v", d)
	}
}

func TestStructureCutShortIsRefused(t *testing.T) {
	whole := (8*3 + 5 + 11 + 10 + 40 + 7) / 8
	for n := range whole {
		if _, ok := ParseStructure(l2t2[:n]); ok {
			t.Errorf("a structure in %d bytes", n)
		}
	}
	endless := append(bitString("1 0 000000 0000000000000000 1 0 0 0 0 000000 00000"), make([]byte, 64)...)
	if _, ok := ParseStructure(endless); ok {
		t.Error("a structure without end")
	}
	delta := append([]byte(nil), l2t2...)
	delta[3] &^= 0x80
	if _, ok := ParseStructure(delta); ok {
		t.Error("a structure where there is none")
	}
}

func FuzzStructure(f *testing.F) {
	f.Add(l2t2)
	f.Add(l1t3)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := ParseStructure(b)
		for template := range uint8(64) {
			spatial, _, known := s.Layer(template)
			if known && (!ok || spatial > s.MaxSpatial) {
				t.Fatalf("layer %d of %d", spatial, s.MaxSpatial)
			}
			d, _ := ParseDependencyDescriptor(b)
			d.Template, d.Structure = template, false
			if temporal, switches, ok := s.TemporalOf(d, b); ok && (!known || temporal > MaxTemporal || switches > 2<<MaxTemporal-1) {
				t.Fatalf("temporal layer %d, entered %b", temporal, switches)
			}
		}
	})
}

// l1t3 is a key frame's descriptor with three temporal layers, as VP8 has them: four
// templates from 3 on, for three decode targets.
var l1t3 = bitString("1 1 000011 0000000000000001" +
	"1 0 0 0 0" +
	"000011 00010" + // offset 3, three decode targets
	"00 01 01 11" + // T0 T0 T1 T2
	"101010 101111 001010 000001" + // SSS SRR -SS --D
	"0 0 0 0" + "0" + "0") // refer to nothing, no chains, no resolutions

func TestTemporalLayersAreToldByIndications(t *testing.T) {
	s, ok := ParseStructure(l1t3)
	if !ok || s.MaxSpatial != 0 || s.MaxTemporal != 2 {
		t.Fatalf("%+v, %v", s, ok)
	}
	for _, tt := range []struct {
		name               string
		in                 string
		temporal, switches uint8
		ok                 bool
	}{
		{"the base, where all can be entered", "00 000011 0000000000000010", 0, 0b1111, true},
		{"the base, where none can be", "00 000100 0000000000000010", 0, 0b0001, true},
		{"the middle", "00 000101 0000000000000010", 1, 0b1110, true},
		{"the top, to which nothing refers", "00 000110 0000000000000010", 2, 0, true},
		{"indications of its own", "00 000101 0000000000000010 0 0 1 0 0 000110", 1, 0b1100, true},
		{"the same behind the active targets", "00 000101 0000000000000010 0 1 1 0 0 111 000110", 1, 0b1100, true},
		{"part of more than its layer says", "00 000110 0000000000000010 0 0 1 0 0 001111", 1, 0, true},
		{"part of nothing", "00 000101 0000000000000010 0 0 1 0 0 000000", 1, 0, true},
		{"cut short", "00 000101 0000000000000010 0 1 1 0 0", 0, 0, false},
		{"a template that is not there", "00 000111 0000000000000010", 0, 0, false},
		{"one before the first", "00 000010 0000000000000010", 0, 0, false},
	} {
		b := bitString(tt.in)
		d, _ := ParseDependencyDescriptor(b)
		temporal, switches, ok := s.TemporalOf(d, b)
		if ok != tt.ok || ok && (temporal != tt.temporal || switches != tt.switches) {
			t.Errorf("%s: layer %d, entered %04b, %v, want %d, %04b, %v", tt.name, temporal, switches, ok, tt.temporal, tt.switches, tt.ok)
		}
	}
}

// More layers than are told apart come with the highest that is.
func TestTemporalLayersAboveTheHighestAreOfIt(t *testing.T) {
	key := "10 000000 0000000000000001 1 0 0 0 0 000000"
	six := bitString(key + "00101" + // six decode targets
		"01 01 01 01 01 11" +
		"101010101010 001010101010 000010101010 000000101010 000000001010 000000000001")
	s, ok := ParseStructure(six)
	if !ok || s.MaxTemporal != 3 {
		t.Fatalf("%+v, %v", s, ok)
	}
	for template, want := range []uint8{0, 1, 2, 3, 3, 3} {
		if got, _, ok := s.TemporalOf(DependencyDescriptor{Template: uint8(template)}, nil); !ok || got != want {
			t.Errorf("template %d is of layer %d, %v, want %d", template, got, ok, want)
		}
	}
	// Templates that are part of no decode target are of the layer that they name.
	none, ok := ParseStructure(bitString(key + "00001" + "01 11" + "0000 0000"))
	if got, switches, _ := none.TemporalOf(DependencyDescriptor{Template: 1}, nil); !ok || none.MaxTemporal != 1 || got != 1 || switches != 0 {
		t.Errorf("layer %d, entered %b, %+v, %v", got, switches, none, ok)
	}
}

// These are what Chromium 156 sends of VP8 with simulcast: frames of one of its
// streams, the other of which has every second number.
func TestDescriptorsOfChromium(t *testing.T) {
	var s Structure
	for i, tt := range []struct {
		in                 string
		temporal, switches uint8
	}{
		{"c000018002044eaaaf2860414d34538a0940404fc02cc0", 0, 0b1111},
		{"c500071220", 2, 0}, {"c300091260", 1, 0b1110}, {"c5000b1220", 2, 0},
		{"c2000d12e0", 0, 0b0001}, {"c5000f12a880", 2, 0}, {"c4001112e980", 1, 0b1100}, {"c500131220", 2, 0},
		{"c0001512e0", 0, 0b1111},
	} {
		b, err := hex.DecodeString(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := ParseDependencyDescriptor(b)
		if d.Structure {
			s, ok = ParseStructure(b)
		}
		temporal, switches, known := s.TemporalOf(d, b)
		if !ok || !known || temporal != tt.temporal || switches != tt.switches {
			t.Errorf("frame %d: layer %d, entered %04b, want %d, %04b", i, temporal, switches, tt.temporal, tt.switches)
		}
	}
}
