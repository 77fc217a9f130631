package picture

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// frame writes a frame of VP9 with random fields, and returns it with the bits of its header.
func frame(r *rand.Rand, key, found bool, width, height int) (b []byte, bits int) {
	w := new(writer)
	put := func(n, v int) {
		for i := n - 1; i >= 0; i-- {
			w.bit(byte(v >> i & 1))
		}
	}
	any := func(n int) { put(n, r.IntN(1<<n)) }
	option := func(n int) {
		if r.IntN(2) == 0 {
			put(1, 0)
			return
		}
		put(1, 1)
		any(n)
	}
	put(2, 2)
	put(2, 0) // profile 0
	put(1, 0)
	put(1, map[bool]int{true: 0, false: 1}[key])
	put(1, 1) // shown
	resilient := r.IntN(2)
	put(1, resilient)
	if key {
		put(24, 0x498342)
		put(4, 2)
		put(16, width-1)
		put(16, height-1)
	} else {
		if resilient == 0 {
			any(2)
		}
		put(8, 1) // slot 0 is what it becomes
		for range 3 {
			put(3, 0)
			any(1)
		}
		if found {
			put(1, 1)
		} else {
			put(3, 0)
			put(16, width-1)
			put(16, height-1)
		}
	}
	option(16 + 16)
	if !key {
		any(1)
		if r.IntN(2) == 0 {
			put(1, 1)
		} else {
			put(1, 0)
			any(2)
		}
	}
	if resilient == 0 {
		any(2)
	}
	any(2)
	any(9)
	if put(1, 1); r.IntN(2) == 0 {
		put(1, 0)
	} else {
		put(1, 1)
		for range 6 {
			option(7)
		}
	}
	any(8)
	for range 3 {
		option(5)
	}
	put(1, 1) // segmentation
	put(1, 1)
	for range 7 {
		option(8)
	}
	if put(1, 1); true {
		for range 3 {
			option(8)
		}
	}
	put(1, 1)
	any(1)
	for range 8 {
		for _, n := range []int{9, 7, 2} {
			option(n)
		}
		any(1) // a feature without a value
	}
	if width >= 512 { // 1280: at most four columns of tiles
		put(1, 1)
		if width >= 1024 {
			put(1, 0)
		}
	}
	option(1)
	put(16, 7)
	bits = w.at
	b = append(w.b, "the rest of it"...)
	return b, bits
}

func TestOneFrameOfAPictureIsShown(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		low, _ := frame(r, true, false, 320, 180)
		mid, bits := frame(r, false, false, 640, 360)
		top, _ := frame(r, false, false, 1280, 720)
		var v VP9
		joined := v.Join(bytes.Join([][]byte{low, mid, top}, nil), []int{len(low), len(low) + len(mid)})
		if w, h, ok := VP9Size(joined); w != 1280 || h != 720 || !ok {
			t.Fatalf("seed %d: its size is %d x %d, %v", seed, w, h, ok)
		}
		frames := framesOf(joined)
		if len(frames) != 3 {
			t.Fatalf("seed %d: %d frames", seed, len(frames))
		}
		var again VP9
		for i, f := range frames {
			h, err := again.read(f)
			if err != nil {
				t.Fatalf("seed %d: frame %d: %v", seed, i, err)
			}
			if h.shown != (i == 2) {
				t.Errorf("seed %d: frame %d is shown: %v", seed, i, h.shown)
			}
			if i == 1 && h.end != bits+1 {
				t.Errorf("seed %d: a header of %d bits has %d", seed, bits, h.end)
			}
			if !bytes.HasSuffix(f, []byte("the rest of it")) {
				t.Errorf("seed %d: frame %d ends with %q", seed, i, f[len(f)-14:])
			}
		}
		if !bytes.Equal(frames[2], top) {
			t.Errorf("seed %d: the frame that is shown has changed", seed)
		}

		// A later picture refers to one that is as large.
		next, nextBits := frame(r, false, true, 1280, 720)
		if h, err := v.read(next); err != nil || h.end != nextBits || h.size != [2]int{1280, 720} {
			t.Errorf("seed %d: what refers to it is %+v, %v, and has %d bits", seed, h, err, nextBits)
		}
		if same := v.Join(next, nil); !bytes.Equal(same, next) {
			t.Errorf("seed %d: a picture of one frame has changed", seed)
		}
	}
}

func TestUnitsOfLayersAreUnits(t *testing.T) {
	header := []byte{0x0a, 3, 1, 2, 3}
	layer := []byte{0x36, 0x48, 2, 8, 9}
	units, err := OBUs(append(bytes.Clone(header), layer...))
	if err != nil || len(units) != 2 || !bytes.Equal(units[1].Raw, layer) || !bytes.Equal(units[1].Body, []byte{8, 9}) {
		t.Errorf("%v, %v", units, err)
	}
	if got := SequenceHeader(append(bytes.Clone(layer), header...)); !bytes.Equal(got, []byte{0x08, 1, 2, 3}) {
		t.Errorf("% x", got)
	}
	for _, bad := range [][]byte{{0x8a, 0}, {0x08, 1}, {0x0a, 4, 1}, {0x36}, {0x36, 0x48}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		if units, err := OBUs(bad); err == nil {
			t.Errorf("% x is %v", bad, units)
		}
	}
}

func FuzzPictures(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	low, _ := frame(r, true, false, 320, 180)
	mid, _ := frame(r, false, false, 640, 360)
	f.Add(append(bytes.Clone(low), mid...), len(low))
	f.Add([]byte{0x0a, 3, 1, 2, 3, 0x36, 0x48, 1, 8}, 2)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at > 0 && at < len(b) {
			var v VP9
			if joined := v.Join(b, []int{at}); len(framesOf(joined)) != 2 {
				t.Errorf("% x at %d is % x", b, at, joined)
			}
		}
		VP9Size(b)
		SequenceHeader(b)
		if units, err := OBUs(b); err == nil {
			var all []byte
			for _, u := range units {
				all = append(all, u.Raw...)
			}
			if !bytes.Equal(all, b) {
				t.Errorf("% x is % x", b, all)
			}
		}
	})
}
