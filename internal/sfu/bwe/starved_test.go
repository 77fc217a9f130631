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

// A receiver that was late at random, and of which nothing is heard but of probes, gets its
// video back within seconds of the link's recovery.
func TestVideoComesBackAfterUnrest(t *testing.T) {
	for _, stall := range []time.Duration{300 * time.Millisecond, time.Second} {
		for _, narrow := range []float64{30e3, 50e3} {
			for seed := range uint64(10) {
				p := newPath(t, seed)
				p.fps, p.queue, p.stall = 15, 3200*time.Millisecond, stall
				p.run(5 * time.Second)
				p.rate = narrow
				p.until(20*time.Second, "nothing is sent", func() bool { return p.rung < 0 })
				p.run(8 * time.Second)
				p.rate, p.stall, p.freeAt = 20e6, 0, p.now
				for i := range p.flights {
					p.flights[i].at = p.now.Add(p.delay) // the link is empty at once
				}
				back := p.until(20*time.Second, "video is back", func() bool { return p.rung >= 0 })
				if back > 4*time.Second {
					t.Errorf("stalls of %v, %.0f bit/s, seed %d: back after %v", stall, narrow, seed, back)
				}
			}
		}
	}
}

// Of what takes little, such as pictures of a still screen, or a quarter of the frames of
// the smallest layer, few packets are asked for: enough to tell by all the same.
func TestVideoThatTakesLittleComesBack(t *testing.T) {
	for _, rate := range []uint64{24e3, 32e3, 36e3, 45e3, 55e3, 70e3, 100e3} {
		for seed := range uint64(3) {
			p := newPath(t, seed)
			p.fps, p.ladder, p.rung = 5, []uint64{rate, 3 * rate / 2}, 1
			p.run(3 * time.Second)
			p.rate = 5e3
			p.until(30*time.Second, "less is sent", func() bool { return p.rung < 1 })
			p.run(5 * time.Second)
			p.rate, p.freeAt = 20e6, p.now
			back := p.until(30*time.Second, "all is sent again", func() bool { return p.rung == 1 })
			if back > 6*time.Second {
				t.Errorf("%d bit/s, seed %d: back after %v", rate, seed, back)
			}
		}
	}
}
