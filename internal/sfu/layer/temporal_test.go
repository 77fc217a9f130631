package layer

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// pattern is what encoders make of three temporal layers. In each second group
// the first frames of the upper layers refer to the base only.
var pattern = []Frame{
	{Temporal: 0}, {Temporal: 2, Sync: true}, {Temporal: 1, Sync: true}, {Temporal: 2},
	{Temporal: 0}, {Temporal: 2}, {Temporal: 1}, {Temporal: 2},
}

func TestTemporalLayersAreLeftAtOnceAndEnteredAtSyncFrames(t *testing.T) {
	var v Temporal
	sent := func(target, from, n int) (got string) {
		for i := from; i < from+n; i++ {
			f := pattern[i%len(pattern)]
			f.Timestamp, f.Key = uint32(i), i == 0
			for range 2 { // two packets each
				keep, ask := v.Keep(f, target)
				if ask {
					t.Error("asks for a key frame")
				}
				if keep {
					got += fmt.Sprint(f.Temporal)
				}
			}
		}
		return got
	}
	for i, s := range []struct {
		target int
		want   string
	}{
		{3, "00221122"},
		{0, "00"},
		{2, "0011"}, // layer 2 has to wait for layer 1
		{2, "0011"}, // and for a frame made for it
		{2, "00221122"},
		{1, "0011"},
	} {
		if got := sent(s.target, 4*i, 4); got != s.want {
			t.Errorf("step %d to layer %d: sent %s, want %s", i, s.target, got, s.want)
		}
	}
}

func TestWithoutSyncFramesAKeyframeIsAskedFor(t *testing.T) {
	var v Temporal
	v.Keep(Frame{Key: true}, 0)
	asks := 0
	for i := range 8 * maxWait {
		f := Frame{Timestamp: uint32(i + 1), Temporal: i % 2}
		keep, ask := v.Keep(f, 2)
		if keep != (f.Temporal == 0) {
			t.Fatalf("frame %d of layer %d: kept %v", i, f.Temporal, keep)
		}
		if ask {
			asks++
		}
	}
	if asks != 4 {
		t.Errorf("asked %d times", asks)
	}
	if keep, _ := v.Keep(Frame{Timestamp: 1 << 20, Key: true}, 2); !keep || v.Current() != 2 {
		t.Error("a key frame enters every layer")
	}
}

// Whatever the targets: what is sent refers to what was sent, and a target that
// stays is reached.
func TestWhatIsSentCanBeDecoded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var v Temporal
	target, sentGroup := 2, [3]int{} // number of the last group in which a layer was sent
	for i := range 20000 {
		if rng.IntN(40) == 0 {
			target = rng.IntN(4)
		}
		f := pattern[i%len(pattern)]
		f.Timestamp, f.Key = uint32(i), i == 0
		keep, _ := v.Keep(f, target)
		if keep && f.Temporal > target {
			t.Fatalf("layer %d sent, target %d", f.Temporal, target)
		}
		if !keep {
			if f.Temporal == 0 {
				t.Fatal("a frame of the base was left out")
			}
			continue
		}
		group := i/8 + 1
		if f.Temporal > 0 && !f.Sync && sentGroup[f.Temporal] != group {
			t.Fatalf("frame %d of layer %d refers to what was not sent", i, f.Temporal)
		}
		if f.Temporal == 2 && i%4 == 3 && sentGroup[1] != group {
			t.Fatalf("frame %d refers to layer 1, which was not sent", i)
		}
		sentGroup[f.Temporal] = group
	}
}

// Frames that allow it let higher layers in, by themselves or above the one that
// they are of; others do not.
func TestTemporalLayersAreEnteredWhereAFrameAllowsIt(t *testing.T) {
	var v Temporal
	v.Keep(Frame{Key: true}, 0)
	for i, s := range []struct {
		frame  Frame
		target int
		want   bool
	}{
		{Frame{Temporal: 1, Switch: 0b1110}, 2, false}, // it is not sent itself
		{Frame{Switch: 0b0001}, 2, true},
		{Frame{Temporal: 1}, 2, false},
		{Frame{Switch: 0b0011}, 2, true},
		{Frame{Temporal: 2}, 2, false},
		{Frame{Temporal: 1, Switch: 0b1110}, 1, true}, // no more is wanted
		{Frame{Temporal: 2}, 2, false},
		{Frame{Temporal: 1, Switch: 0b1100}, 2, true},
		{Frame{Temporal: 2}, 2, true},
		{Frame{Switch: 0b1111}, 0, true},
		{Frame{Temporal: 1}, 3, false},
		{Frame{Switch: 0b1111}, 3, true},
		{Frame{Temporal: 3}, 3, true},
	} {
		s.frame.Timestamp = uint32(i + 1)
		if keep, ask := v.Keep(s.frame, s.target); keep != s.want || ask {
			t.Errorf("frame %d, %+v: sent %v, asks %v", i, s.frame, keep, ask)
		}
	}
}
