package codec

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// redPayload makes a payload of RFC 2198 from the blocks that precede primary.
func redPayload(primary string, earlier ...Redundant) []byte {
	var b []byte
	for _, e := range earlier {
		b = binary.BigEndian.AppendUint32(b, 1<<31|111<<24|e.Before<<10|uint32(len(e.Payload)))
	}
	b = append(b, 111)
	for _, e := range earlier {
		b = append(b, e.Payload...)
	}
	return append(b, primary...)
}

func TestREDIsTakenApart(t *testing.T) {
	first, second := Redundant{1920, []byte("first")}, Redundant{960, []byte("second one")}
	for _, earlier := range [][]Redundant{nil, {second}, {first, second}, {{960, nil}}} {
		var r RED
		if !r.Parse(redPayload("primary", earlier...)) {
			t.Fatalf("%d blocks: refused", len(earlier))
		}
		if string(r.Primary) != "primary" || len(r.Redundant()) != len(earlier) {
			t.Fatalf("%d blocks: primary %q with %d", len(earlier), r.Primary, len(r.Redundant()))
		}
		for i, got := range r.Redundant() {
			if got.Before != earlier[i].Before || !bytes.Equal(got.Payload, earlier[i].Payload) {
				t.Errorf("block %d is %d %q", i, got.Before, got.Payload)
			}
		}
	}
}

func TestREDThatIsCutShortIsRefused(t *testing.T) {
	whole := redPayload("", Redundant{1920, []byte("first")}, Redundant{960, []byte("second")})
	var r RED
	for n := range whole {
		if r.Parse(whole[:n]) {
			t.Errorf("%d of %d bytes: taken as %q with %d", n, len(whole), r.Primary, len(r.Redundant()))
		}
	}
	if !r.Parse(whole) || len(r.Redundant()) != 2 {
		t.Errorf("an empty primary block is refused")
	}
	if r.Parse(nil) {
		t.Error("nothing is taken")
	}
	many := make([]Redundant, maxRedundant+1)
	if r.Parse(redPayload("x", many...)) {
		t.Error("too many blocks are taken")
	}
}

func FuzzRED(f *testing.F) {
	f.Add(redPayload("primary"))
	f.Add(redPayload("primary", Redundant{960, []byte("second")}))
	f.Add(redPayload("", Redundant{1920, []byte("first")}, Redundant{960, nil}))
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r RED
		if !r.Parse(b) {
			return
		}
		// What is parsed is all of the payload.
		size := 1 + len(r.Primary)
		for _, e := range r.Redundant() {
			size += 4 + len(e.Payload)
		}
		if size != len(b) {
			t.Errorf("%d of %d bytes accounted for", size, len(b))
		}
	})
}

func TestREDOfOursIsTakenApart(t *testing.T) {
	for _, want := range []Redundant{{960, []byte("before")}, {1<<14 - 1, bytes.Repeat([]byte("x"), MaxRedundantBlock)}, {0, nil}} {
		b := AppendRED([]byte("kept"), want.Before, want.Payload, []byte("primary"))[len("kept"):]
		SetPrimary(b, 111)
		if !bytes.Equal(b, redPayload("primary", want)) || len(b) != REDHeaders+len(want.Payload)+len("primary") {
			t.Errorf("%d ticks, %d bytes: made %x", want.Before, len(want.Payload), b)
		}
	}
}
