package codec

import "testing"

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
	"10101010 10101010 10101010 10101010 10101010") // indications, which are not looked at

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
	whole := (8*3 + 5 + 11 + 10 + 7) / 8
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
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := ParseStructure(b)
		for template := range uint8(64) {
			spatial, _, known := s.Layer(template)
			if known && (!ok || spatial > s.MaxSpatial) {
				t.Fatalf("layer %d of %d", spatial, s.MaxSpatial)
			}
		}
	})
}
