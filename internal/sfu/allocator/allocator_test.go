package allocator

import (
	"math/rand/v2"
	"testing"
)

// share allocates and returns the steps in the order of the tracks.
func share(capacity uint64, mayPause bool, tracks ...Track) (steps []int, need uint64) {
	for i := range tracks {
		tracks[i].ID = i
	}
	steps = make([]int, len(tracks))
	need = Allocate(capacity, mayPause, tracks)
	for _, t := range tracks {
		steps[t.ID] = t.Next
	}
	return steps, need
}

var camera = []uint64{100, 300, 1000}

func TestShares(t *testing.T) {
	track := func(priority, now int, rates ...uint64) Track {
		return Track{Priority: priority, Now: now, Rates: rates}
	}
	cam := func(now int) Track { return track(1, now, camera...) }
	for _, test := range []struct {
		name     string
		capacity uint64
		keep     bool // do not pause
		tracks   []Track
		want     []int
		need     uint64
	}{
		{"all fits", 10_000, false, []Track{cam(-1), cam(-1)}, []int{2, 2}, 0},
		{"everybody before anybody more", 800, false, []Track{cam(-1), cam(-1), cam(-1)}, []int{1, 1, 0}, Need(900)},
		{"lowest steps before a high one", 1100, false, []Track{cam(-1), cam(-1)}, []int{1, 1}, Need(1300)},
		{"the first of equals is raised", 500, false, []Track{cam(-1), cam(-1)}, []int{1, 0}, Need(600)},
		{"a screen goes first", 450, false, []Track{cam(-1), track(9, -1, 300)}, []int{0, 0}, Need(600)},
		{"a screen alone", 350, false, []Track{cam(-1), track(9, -1, 300)}, []int{-1, 0}, Need(400)},
		{"pauses the least", 230, false, []Track{cam(0), track(0, 0, 100), cam(0)}, []int{0, -1, 0}, Need(300)},
		{"unless that is not allowed", 230, true, []Track{cam(0), track(0, 0, 100), cam(0)}, []int{0, 0, 0}, Need(500)},
		{"what is had may take it all", 1000, false, []Track{cam(2)}, []int{2}, 0},
		{"what is not had leaves room", 1000, false, []Track{cam(1)}, []int{1}, Need(1000)},
		{"nothing fits", 10, false, []Track{cam(2)}, []int{-1}, Need(100)},
		{"a small one fits where a large one does not", 150, false, []Track{track(2, -1, 500), cam(-1)}, []int{-1, 0}, Need(500)},
		{"unknown rates are tried", 10, false, []Track{track(1, -1)}, []int{0}, 0},
		{"a step that takes less costs nothing", 320, false, []Track{track(1, 1, 300, 200)}, []int{1}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, need := share(test.capacity, !test.keep, test.tracks...)
			for i := range got {
				if got[i] != test.want[i] {
					t.Fatalf("steps %v, want %v", got, test.want)
				}
			}
			if need != test.need {
				t.Errorf("need %d, want %d", need, test.need)
			}
		})
	}
}

// Whatever the tracks: what is given fits, need is honest, and the same
// question again has the same answer.
func TestWhatIsGivenFitsAndHolds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		tracks := make([]Track, 1+rng.IntN(8))
		for i := range tracks {
			rates := make([]uint64, rng.IntN(4))
			sum := uint64(0)
			for j := range rates {
				sum += 1 + rng.Uint64N(1000)
				rates[j] = sum
			}
			tracks[i] = Track{ID: i, Priority: rng.IntN(3), Rates: rates, Now: rng.IntN(len(rates)+1) - 1}
		}
		capacity := rng.Uint64N(6000)
		need := Allocate(capacity, true, tracks)
		sum, missing := uint64(0), false
		for i := range tracks {
			track := &tracks[i]
			if len(track.Rates) == 0 {
				continue
			}
			if track.Next >= 0 {
				sum += track.Rates[track.Next]
			}
			missing = missing || track.Next < len(track.Rates)-1
			track.Now = track.Next
		}
		if sum > capacity {
			t.Fatalf("%d of %d", sum, capacity)
		}
		if missing != (need > 0) {
			t.Fatalf("missing %v, need %d", missing, need)
		}
		Allocate(capacity, true, tracks)
		for _, track := range tracks {
			if track.Next < track.Now {
				t.Fatalf("lowered from %d to %d by nothing", track.Now, track.Next)
			}
		}
		if need == 0 {
			continue
		}
		Allocate(need, true, tracks)
		better := false
		for _, track := range tracks {
			better = better || track.Next > track.Now
		}
		if !better {
			t.Fatalf("%d raises nobody", need)
		}
	}
}

func TestAllocatingAllocatesNothing(t *testing.T) {
	tracks := make([]Track, 20)
	for i := range tracks {
		tracks[i] = Track{ID: i, Priority: i % 3, Rates: camera}
	}
	if n := testing.AllocsPerRun(100, func() { Allocate(5000, true, tracks) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
