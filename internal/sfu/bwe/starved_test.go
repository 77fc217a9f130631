package bwe

import (
	"testing"
	"time"
)

// A receiver that has no processor now and then reads its packets late and in heaps.
// It is sent video all the same, and followed when its link becomes narrow.
func TestAReceiverThatHasNoProcessorIsFollowedDown(t *testing.T) {
	for _, stall := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		for _, rate := range []uint64{80_000, 150_000, 400_000} {
			for seed := range uint64(5) {
				p := newPath(t, seed)
				p.fps, p.ladder, p.rung = 15, []uint64{rate}, 0
				p.queue, p.stall = 3200*time.Millisecond, stall
				sending := 0
				for range 300 {
					p.run(100 * time.Millisecond)
					if p.rung == 0 {
						sending++
					}
				}
				if sending < 285 {
					t.Errorf("stands still for up to %v, %d bit/s, seed %d: it sends %d %% of the time", stall, rate, seed, sending/3)
				}
				p.rate = 50e3
				p.until(6*time.Second, "nothing is sent on a link that is too narrow", func() bool { return p.rung < 0 })
			}
		}
	}
}
