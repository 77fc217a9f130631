package compose

import (
	"math"
	"testing"
	"time"
)

// A recording may run for weeks: its samples are counted without overflow.
func TestSamplesAreCountedForWeeks(t *testing.T) {
	for _, hours := range []int64{0, 54, 1000, 100_000} {
		at := time.Duration(hours)*time.Hour + 20*time.Millisecond
		if got, want := SampleAt(at), hours*3600*Rate+Slot; got != want {
			t.Errorf("after %d h: sample %d, want %d", hours, got, want)
		}
		if got := time.Duration(hours*3600*Rate/Slot+1) * SlotTime; got != at {
			t.Errorf("after %d h: slot at %v, want %v", hours, got, at)
		}
	}
}

// What was begun too early or too late by less than a gap is where it belongs after a
// while, and nobody hears how: its samples go on from each other.
func TestVoicesGetToTheirPlaceLittleByLittle(t *testing.T) {
	for _, off := range []int64{jump - 100, -jump + 100} {
		var v Voice
		const first = 10 * Slot
		v.Put(first, make([]float32, Slot*Channels))
		var last float32
		place := int64(first + Slot + off) // of what comes next
		for n := range 1000 {
			packet := make([]float32, Slot*Channels)
			for i := range Slot {
				s := float32(math.Sin(2 * math.Pi * 440 * float64(n*Slot+i) / Rate))
				packet[i*Channels], packet[i*Channels+1] = s, s
			}
			v.Put(place, packet)
			place += Slot
			for i := 0; i < len(v.samples); i += Channels {
				if d := v.samples[i] - last; d > 0.1 || d < -0.1 {
					t.Fatalf("%d samples off: a step of %v in packet %d", off, d, n)
				}
				last = v.samples[i]
			}
			v.from, v.samples = v.from+int64(len(v.samples)/Channels), v.samples[len(v.samples):]
			v.samples = append(v.samples, last, last) // it is not silent yet
			v.from--
		}
		if d := place - v.Until(); d > near+1 || d < -near-1 {
			t.Errorf("after 20 s what was %d samples off is off by %d", off, d)
		}
	}
}

func TestSoundThatIsStretchedKeepsItsEnds(t *testing.T) {
	in := []float32{0, 0, 0.25, -0.25, 0.5, -0.5, 0.75, -0.75}
	for by, want := range map[int]int{0: 4, 1: 5, -1: 3, -3: 4} {
		out := stretch(in, by)
		if n := len(out) / Channels; n != want || out[0] != 0 || out[len(out)-2] != 0.75 || out[len(out)-1] != -0.75 {
			t.Errorf("by %d: %v", by, out)
		}
	}
}
