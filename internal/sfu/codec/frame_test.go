package codec

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// These begin what Chromium 156 sends of VP9 and AV1 at 640x360 as L3T3_KEY and as
// L3T3: a frame of 320x180 and one of 640x360, in three temporal layers.
const (
	keyed   = "c00001800514853aaaa8018004004002a02a0060010015d34514174d144c700874321651118543276809f8059813f80b38"
	chained = "c10001800514853abfaaa18f04304302a02a006001001b934515e082704608c0c787004321651111543276809f8059813f80b380"
)

// describe is a frame in words: its layers, what it is to each decode target and to
// which frames before it it refers.
func describe(s *Structure, f *Frame) string {
	out := fmt.Sprintf("S%dT%d ", f.Spatial, f.Temporal)
	for target := range s.DecodeTargets() {
		switch {
		case f.Switches(target):
			out += "S"
		case f.In(target):
			out += "+"
		default:
			out += "-"
		}
	}
	return out + fmt.Sprint(" ", f.References())
}

func TestFramesAreToldByTemplates(t *testing.T) {
	for _, tt := range []struct {
		structure string
		want      []string
		needs     []uint8
	}{
		{keyed, []string{
			"S0T0 SSSSSS []", "S0T0 SSS--- [8]", "S0T1 -+S--- [4]", "S0T2 --+--- [2]", "S0T2 --+--- [2]",
			"S1T0 ---SSS [1]", "S1T0 ---SSS [8]", "S1T1 ----+S [4]", "S1T2 -----+ [2]", "S1T2 -----+ [2]",
		}, []uint8{0b01, 0b10}},
		{chained, []string{
			"S0T0 SSS+++ [8]", "S0T0 SSSSSS []", "S0T1 -+S-++ [4]", "S0T2 --+--+ [2]", "S0T2 --+--+ [2]",
			"S1T0 ---SSS [8 1]", "S1T0 ---SSS [1]", "S1T1 ----+S [4 1]", "S1T2 -----+ [2 1]", "S1T2 -----+ [2 1]",
		}, []uint8{0b01, 0b11}},
	} {
		s, ok := ParseStructure(unhex(t, tt.structure))
		if !ok || !s.Whole() || s.DecodeTargets() != len("SSSSSS") {
			t.Fatalf("%s: %v, %v", tt.structure, ok, s.Whole())
		}
		for template, want := range tt.want {
			var f Frame
			if ok := s.Frame(DependencyDescriptor{Template: uint8(template)}, nil, &f); !ok || describe(&s, &f) != want {
				t.Errorf("template %d: %v, %s, want %s", template, ok, describe(&s, &f), want)
			}
		}
		for spatial, want := range tt.needs {
			if got := s.Needs(uint8(spatial)); got != want {
				t.Errorf("layer %d needs %b, want %b", spatial, got, want)
			}
		}
	}
}

func TestTargetsAreChosenByLimits(t *testing.T) {
	s, _ := ParseStructure(unhex(t, keyed)) // targets are S0T0 S0T1 S0T2 S1T0 S1T1 S1T2
	const all = 0b111111
	for _, tt := range []struct {
		mask              uint32
		spatial, temporal int
		want              int
	}{
		{all, 7, 7, 5}, {all, 1, 1, 4}, {all, 0, 7, 2}, {all, 0, 0, 0}, {all, 3, 0, 3},
		{0b000111, 7, 7, 2}, {0b011011, 7, 7, 4}, {0b110000, 0, 0, 4}, {0b111000, 0, 1, 4}, {0, 1, 2, 5},
	} {
		if got := s.Target(tt.mask, tt.spatial, tt.temporal); got != tt.want {
			t.Errorf("of %06b up to %d and %d: %d, want %d", tt.mask, tt.spatial, tt.temporal, got, tt.want)
		}
	}
	if got := s.Targets(0b10); got != 0b111000 {
		t.Errorf("of the upper layer there are %06b", got)
	}
	if got := s.Spatial(0b000100); got != 0b01 {
		t.Errorf("target 2 is of %02b", got)
	}
	for target, want := range []uint32{0b000001, 0b000011, 0b000111, 0b001000, 0b011000, 0b111000} {
		if got := s.Parts(target); got != want {
			t.Errorf("%06b are part of %d, want %06b", got, target, want)
		}
	}
}

func TestFramesTellOfThemselves(t *testing.T) {
	key := unhex(t, keyed)
	s, _ := ParseStructure(key)
	for _, tt := range []struct {
		name, in, want string
		active         uint32
		ok             bool
	}{
		{"by its template", "11 000111 0000000000000010", "S1T1 ----+S [4]", 0, true},
		{"indications", "11 000111 0000000000000010 00100 000000001011", "S1T1 ----S+ [4]", 0, true},
		{"references of each size", "11 000111 0000000000000010 00010 01 0001 10 00010000 11 000100000000 00", "S1T1 ----+S [2 17 257]", 0, true},
		{"active targets", "11 000111 0000000000000010 01000 000111", "S1T1 ----+S [4]", 0b111, true},
		{"all of it", "11 000111 0000000000000010 01111 101000 000000001010 01 0000 00", "S1T1 ----SS [1]", 0b101000, true},
		{"references cut short", "11 000111 0000000000000010 00010 11 000", "", 0, false},
		{"more references than there are frames", "11 000111 0000000000000010 00010 010001 010001 010001 010001 010001 010001 010001 010001 010001 00", "", 0, false},
		{"another template", "11 001010 0000000000000010", "", 0, false},
	} {
		b := bitString(tt.in)
		d, _ := ParseDependencyDescriptor(b)
		var f Frame
		if ok := s.Frame(d, b, &f); ok != tt.ok || ok && (describe(&s, &f) != tt.want || f.Active != tt.active) {
			t.Errorf("%s: %v, %s, %b, want %v, %s, %b", tt.name, ok, describe(&s, &f), f.Active, tt.ok, tt.want, tt.active)
		}
	}
	d, _ := ParseDependencyDescriptor(key)
	var f Frame
	if !s.Frame(d, key, &f) || !f.Key() || !f.Starts || !f.Ends {
		t.Errorf("the key frame is %+v", f)
	}
}

// A descriptor that tells of active targets is the same in all else.
func TestActiveTargetsAreToldInAnyDescriptor(t *testing.T) {
	key := unhex(t, keyed)
	s, _ := ParseStructure(key)
	custom := "0000 00001010 01 0000 00" // behind a first half of indications
	for _, in := range [][]byte{
		key, unhex(t, "c50002"), bitString("11 000111 0000000000000010 01000 000111"),
		bitString("11 000111 0000000000000010 00110" + custom), bitString("11 000111 0000000000000010 01110 101010" + custom),
		append(append(append(key[:3:3], key[3]|0x40), key[4:]...), 0), // with a mask that is zeros of padding
	} {
		d, _ := ParseDependencyDescriptor(in)
		var was, is Frame
		if !s.Frame(d, in, &was) {
			t.Fatalf("%x", in)
		}
		out := s.AppendActive([]byte{7}, d, in, 0b000011)[1:]
		told, _ := ParseDependencyDescriptor(out)
		if !s.Frame(told, out, &is) || is.Active != 0b000011 {
			t.Fatalf("%x became %x: %+v", in, out, is)
		}
		if is.Active = was.Active; is != was || told.FrameNumber != d.FrameNumber || len(out) > len(in)+3 {
			t.Errorf("%x became %x: %+v, was %+v", in, out, is, was)
		}
		if d.Structure {
			if again, ok := ParseStructure(out); !ok || again != s {
				t.Errorf("the structure of %x is another one in %x", in, out)
			}
		}
	}
}

// What is cut short before the references tells of layers alone.
func TestStructureWithoutReferencesHasNoFrames(t *testing.T) {
	key := unhex(t, keyed)
	s, ok := ParseStructure(key[:23])
	if spatial, temporal, known := s.Layer(7); !ok || s.Whole() || !known || spatial != 1 || temporal != 1 {
		t.Fatalf("%v, %v, layers %d %d", ok, s.Whole(), spatial, temporal)
	}
	if s.Frame(DependencyDescriptor{}, nil, new(Frame)) {
		t.Error("a frame without references")
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(unhex(f, keyed), unhex(f, "c50002"), uint32(3))
	f.Add(unhex(f, chained), bitString("11 000111 0000000000000010 01111 101000 000000001010 01 0000 00"), uint32(1))
	f.Fuzz(func(t *testing.T, structure, b []byte, active uint32) {
		s, ok := ParseStructure(structure)
		d, known := ParseDependencyDescriptor(b)
		var fr Frame
		if !known || d.Structure || !s.Frame(d, b, &fr) {
			return
		}
		if !ok {
			t.Fatal("a frame without a structure")
		}
		refs := slices.Clone(fr.References())
		target := s.Target(active, 1, 1)
		if target >= s.DecodeTargets() || s.Parts(target)&^(1<<s.DecodeTargets()-1) != 0 {
			t.Fatalf("target %d of %d has %b", target, s.DecodeTargets(), s.Parts(target))
		}
		out := s.AppendActive(nil, d, b, active)
		d, _ = ParseDependencyDescriptor(out)
		if !s.Frame(d, out, &fr) || !slices.Equal(refs, fr.References()) {
			t.Fatalf("%x became %x", b, out)
		}
	})
}
