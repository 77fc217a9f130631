package frames

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp/codecs"
)

// ofPion is what pion's depacketizer makes of payloads, with lengths before the units.
func ofPion(t *testing.T, payloads [][]byte) []byte {
	t.Helper()
	var d codecs.H264Packet
	var stream []byte
	for _, p := range payloads {
		b, err := d.Unmarshal(p)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, b...)
	}
	var all h264.AnnexB
	if err := all.Unmarshal(stream); err != nil {
		t.Fatal(err)
	}
	b, err := h264.AVCC(all).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ofUnits is what units makes of them.
func ofUnits(t *testing.T, d *units, payloads [][]byte) (all []byte) {
	t.Helper()
	for _, p := range payloads {
		p = bytes.Clone(p)
		b, err := d.Unmarshal(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
		clear(p)
	}
	return all
}

func TestUnitsAreThoseOfPion(t *testing.T) {
	of := rand.New(rand.NewSource(1))
	var d units
	for n := range 300 {
		var stream []byte
		for range 1 + of.Intn(5) {
			kind := []byte{0x67, 0x68, 0x06, 0x65, 0x41}[of.Intn(5)]
			unit := []byte{0, 0, 0, 1, kind}
			for range 1 + of.Intn(3000) {
				unit = append(unit, byte(1+of.Intn(255)))
			}
			stream = append(stream, unit...)
		}
		// Parameter sets go with the next picture.
		payloads := new(codecs.H264Payloader).Payload(uint16(100+of.Intn(1400)), append(stream, 0, 0, 0, 1, 0x65, 1, 2, 3))
		if diff := cmp.Diff(ofPion(t, payloads), ofUnits(t, &d, payloads)); diff != "" {
			t.Fatalf("%d: %d payloads: %s", n, len(payloads), diff)
		}
	}
}

// What some encoders put into one unit is taken apart.
func TestUnitWithOthersInItIsTakenApart(t *testing.T) {
	payloads := [][]byte{
		{0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 6},
		{0x7c, 0x85, 7, 8, 0, 0}, {0x7c, 0x45, 1, 0x06, 9},
	}
	got := ofUnits(t, new(units), payloads)
	if diff := cmp.Diff(ofPion(t, payloads), got); diff != "" {
		t.Error(diff)
	}
	if n := len(split(t, got)); n != 5 {
		t.Errorf("%d units: %x", n, got)
	}
}

// split returns the units, each of which has its length before it.
func split(t *testing.T, b []byte) (all [][]byte) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < unitLength || int(binary.BigEndian.Uint32(b)) > len(b)-unitLength {
			t.Fatalf("%x is no unit", b)
		}
		n := int(binary.BigEndian.Uint32(b))
		all = append(all, b[unitLength:unitLength+n])
		b = b[unitLength+n:]
	}
	return all
}

func TestMalformedPacketsOfH264AreRefused(t *testing.T) {
	for _, p := range [][]byte{
		nil, {}, {0}, {25, 1}, {29, 0x80, 1}, {31, 1}, // of no kind that is known
		{0x7c}, {0x78, 0, 9, 1}, {0x78, 0, 1, 0x65, 0xff, 0xff},
	} {
		if b, err := new(units).Unmarshal(p); err == nil {
			t.Errorf("%x makes %x", p, b)
		}
	}
	// The rest of a unit whose end never came is none of the next.
	got := ofUnits(t, new(units), [][]byte{{0x7c, 0x85, 1}, {0x67, 2}, {0x7c, 0x85, 3}, {0x7c, 0x85, 4}, {0x7c, 0x45, 5}})
	if diff := cmp.Diff([][]byte{{0x67, 2}, {0x65, 4, 5}}, split(t, got)); diff != "" {
		t.Error(diff)
	}
}

// Whatever comes, what is made are units with their lengths, without more in them than
// came.
func FuzzUnits(f *testing.F) {
	f.Add([]byte{3, 0x7c, 0x85, 1, 3, 0x7c, 0x45, 2, 5, 0x78, 0, 1, 0x67, 0, 2, 0x65, 1})
	f.Add([]byte{9, 0x67, 0, 0, 1, 0x68, 0, 0, 1, 0x65})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d units
		came := 0
		for len(b) > 0 {
			n := min(int(b[0]), len(b)-1)
			p := b[1 : 1+n]
			b = b[1+n:]
			came += n
			d.IsPartitionHead(p)
			made, err := d.Unmarshal(p)
			if err != nil {
				continue
			}
			sum := 0
			for _, unit := range split(t, made) {
				sum += len(unit)
			}
			if sum > came {
				t.Fatalf("%d bytes of %d", sum, came)
			}
			unitKinds(made)
		}
	})
}
