package layer

import (
	"fmt"
	"testing"
)

func TestSpatialLayersAreLeftAtPicturesAndEnteredAtKeyframes(t *testing.T) {
	var v Spatial
	picture := uint32(100)
	for i, s := range []struct {
		target int
		key    bool
		want   string
		ask    bool
	}{
		{2, true, "001122", false},
		{2, false, "001122", false},
		{0, false, "00", false},
		{1, false, "00", true},
		{1, true, "0011", false},
		{3, false, "0011", true},
		{3, true, "001122", false},
		{1, false, "0011", false},
	} {
		picture += 3000
		got, asked := "", false
		for spatial := range 3 {
			for packet := range 2 {
				keep, ask := v.Keep(Part{Timestamp: picture, Spatial: spatial, Key: s.key && spatial == 0 && packet == 0}, s.target)
				if keep {
					got += fmt.Sprint(spatial)
				}
				asked = asked || ask
			}
		}
		if got != s.want || asked != s.ask {
			t.Errorf("picture %d: sent %s, asked %v, want %s, %v", i, got, asked, s.want, s.ask)
		}
	}
}

func TestTargetThatChangesWithinAPictureWaitsForTheNext(t *testing.T) {
	var v Spatial
	v.Keep(Part{Timestamp: 1, Key: true}, 2)
	if keep, _ := v.Keep(Part{Timestamp: 1, Spatial: 2}, 0); !keep {
		t.Error("a picture lost its upper layer halfway")
	}
	if keep, _ := v.Keep(Part{Timestamp: 2, Spatial: 2}, 0); keep {
		t.Error("the next one has it still")
	}
}

// Layers that are made from the one below at key frames only are sent alone, and so
// not left for one below before the next.
func TestSpatialLayersThatNothingRefersToAreLeftOut(t *testing.T) {
	var v Spatial
	for i, s := range []struct {
		target int
		key    bool
		want   string
		ask    bool
	}{
		{2, true, "012", false},
		{2, false, "2", false},
		{1, false, "2", true},
		{1, true, "01", false},
		{1, false, "1", false},
		{0, false, "1", true},
		{1, false, "1", false},
		{2, false, "1", true},
		{0, true, "0", false},
		{0, false, "0", false},
	} {
		got, asked := "", false
		for spatial := range 3 {
			p := Part{Timestamp: uint32(i), Spatial: spatial, Key: s.key && spatial == 0, Alone: !s.key || spatial == 2}
			keep, ask := v.Keep(p, s.target)
			if keep {
				got += fmt.Sprint(spatial)
			}
			asked = asked || ask
		}
		if got != s.want || asked != s.ask {
			t.Errorf("picture %d: sent %s, asked %v, want %s, %v", i, got, asked, s.want, s.ask)
		}
	}
}
