package downtrack

import (
	"testing"
	"time"
)

// A subscriber that wants fewer frames gets the fewest temporal layers that have
// as many, and all of them again when it wants all.
func TestFrameRateIsCappedByTemporalLayers(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out})
		n := 0
		play := func(d time.Duration) (fps int) {
			r.out.take()
			for range int(d / (time.Second / 32)) {
				for i := range 2 {
					r.send(temporalFrame(n, i))
				}
				n++
				r.ts += 90000 / 32
				r.pass(time.Second / 32)
			}
			return len(r.out.take()) / 2 * int(time.Second) / int(d)
		}
		play(3 * time.Second) // rates are known
		for _, c := range []struct {
			wish uint32
			want int
		}{{8, 8}, {0, 32}, {15, 16}, {20, 32}, {5, 8}, {30, 32}, {16, 16}, {60, 32}, {0, 32}} {
			r.down.SetMaxFPS(c.wish)
			play(time.Second)
			if got := play(2 * time.Second); got != c.want {
				t.Errorf("%d frames a second for a wish of %d, want %d", got, c.wish, c.want)
			}
		}
	})
}
