package downtrack

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func inWorld(t *testing.T, seed uint64, rids []string, script func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, rids...)
		defer w.close()
		script(t, w)
	})
}

var simulcast = []string{"q", "h", "f"}

func TestVideoBeginsAtAKeyframeAndRunsOn(t *testing.T) {
	inWorld(t, 1, []string{""}, func(t *testing.T, w *world) {
		w.run(time.Second) // nobody watches
		w.down.Bind(w.bind)
		w.run(10 * time.Second)
		w.viewer.wantPlaying(0, "after ten seconds")
		if w.viewer.frames < 290 || w.viewer.keys != 1 || w.viewer.resent != 0 {
			t.Fatalf("%d frames, %d keys, %d resent", w.viewer.frames, w.viewer.keys, w.viewer.resent)
		}
	})
}

func TestHighestLayerIsSentAndTheLimitObeyed(t *testing.T) {
	inWorld(t, 2, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(2 * time.Second)
		w.viewer.wantPlaying(2, "no limit")
		for _, layer := range []int{0, 1, 2, 0, 2, 1} {
			w.down.SetMaxLayer(layer)
			w.run(2 * time.Second)
			w.viewer.wantPlaying(layer, "limited")
		}
		if got := w.down.Stats().Layer; got != 1 {
			t.Fatalf("stats say layer %d", got)
		}
	})
}

func TestDeadLayerIsLeftAndComesBack(t *testing.T) {
	inWorld(t, 3, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(2 * time.Second)
		w.pub.layer("f").silent = true
		w.run(2 * time.Second)
		w.viewer.wantPlaying(1, "top layer silent")
		w.pub.layer("h").silent = true
		w.run(2 * time.Second)
		w.viewer.wantPlaying(0, "only the lowest left")
		w.pub.layer("f").silent = false
		w.run(2 * time.Second)
		w.viewer.wantPlaying(2, "top layer back")
		w.pub.layer("f").stop()
		w.run(time.Second)
		w.viewer.wantPlaying(0, "top layer ended")
	})
}

func TestLayerAboveTheLimitIsBetterThanNothing(t *testing.T) {
	inWorld(t, 4, []string{"h", "f"}, func(t *testing.T, w *world) {
		w.down.SetMaxLayer(0)
		w.down.Bind(w.bind)
		w.run(2 * time.Second)
		w.viewer.wantPlaying(1, "lowest there is")
	})
}

func TestPauseAndResumeLeaveNoHole(t *testing.T) {
	inWorld(t, 5, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(2 * time.Second)
		for range 5 {
			w.down.SetPaused(true)
			w.run(100 * time.Millisecond)
			n := w.viewer.frames
			w.run(3 * time.Second)
			w.viewer.wantStill(n, "paused")
			w.down.SetPaused(false)
			w.run(time.Second)
			w.viewer.wantPlaying(2, "resumed")
		}
		if w.viewer.resent != 0 {
			t.Fatalf("%d packets asked for again", w.viewer.resent)
		}
	})
}

func TestMuteAndUnmuteLeaveNoHole(t *testing.T) {
	inWorld(t, 6, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(2 * time.Second)
		blanks := 0
		for range 5 {
			w.up.SetMuted(true)
			w.run(100 * time.Millisecond)
			n := w.viewer.frames
			w.run(time.Minute)
			w.viewer.wantStill(n, "muted")
			if w.viewer.blanks == blanks {
				t.Fatal("the last picture stays")
			}
			blanks = w.viewer.blanks
			w.up.SetMuted(false)
			w.run(time.Second)
			w.viewer.wantPlaying(2, "unmuted")
		}
	})
}

func TestPublisherMayChangeItsSSRC(t *testing.T) {
	inWorld(t, 7, []string{""}, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		for range 10 {
			w.run(time.Second)
			w.viewer.wantPlaying(0, "with each SSRC")
			w.pub.start("")
		}
	})
}

func TestUnboundTrackCostsNothingAndBindsAgain(t *testing.T) {
	inWorld(t, 8, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(time.Second)
		w.down.Unbind()
		w.run(100 * time.Millisecond)
		if s := w.up.Stats(); s.Sinks != 0 {
			t.Fatalf("%d sinks", s.Sinks)
		}
		n := w.viewer.frames
		w.run(2 * time.Second)
		w.viewer.wantStill(n, "unbound")
		w.down.Bind(w.bind)
		w.run(time.Second)
		w.viewer.wantPlaying(2, "bound again")
		w.down.Close()
		w.down.Bind(w.bind)
		if w.down.Stats().Bound || w.up.Stats().Sinks != 0 {
			t.Fatal("bound after Close")
		}
	})
}

func TestKeyframesAreAskedForSparingly(t *testing.T) {
	inWorld(t, 9, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(30 * time.Second)
		for _, l := range w.pub.layers {
			if l.keys > 3 {
				t.Fatalf("layer %s made %d key frames in an uneventful half minute", l.rid, l.keys)
			}
		}
	})
}

// Losses below what retransmission can repair reach the viewer as delay and
// nothing else: no hole, no undecodable frame, no further key frame.
func TestLossOnBothSidesIsRepaired(t *testing.T) {
	for _, loss := range []float64{0.01, 0.05, 0.1} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("loss %v seed %d", loss, seed), func(t *testing.T) {
				inWorld(t, 100+seed, []string{""}, func(t *testing.T, w *world) {
					w.uplink = link{loss: loss, delay: 10 * time.Millisecond, jitter: 8 * time.Millisecond}
					w.toPub = link{delay: 10 * time.Millisecond}
					w.dnlink = link{loss: loss, delay: 10 * time.Millisecond, jitter: 8 * time.Millisecond}
					w.toDown = link{delay: 10 * time.Millisecond}
					w.down.Bind(w.bind)
					w.run(20 * time.Second)
					w.viewer.wantPlaying(0, "under loss")
					if w.viewer.frames < 570 || w.viewer.resent == 0 {
						t.Fatalf("%d frames, %d resent", w.viewer.frames, w.viewer.resent)
					}
					s := w.down.Stats()
					if s.Retransmitted == 0 || s.NACKs < s.Retransmitted {
						t.Fatalf("stats %+v", s)
					}
				})
			})
		}
	}
}

// Simulcast under loss: switches too, now that key frames can be lost.
func TestSwitchingUnderLossStaysDecodable(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, 200+seed, simulcast, func(t *testing.T, w *world) {
				w.viewer.sloppy = true
				w.uplink = link{loss: 0.03, delay: 15 * time.Millisecond, jitter: 5 * time.Millisecond}
				w.toPub = link{loss: 0.03, delay: 15 * time.Millisecond}
				w.dnlink = link{loss: 0.03, delay: 15 * time.Millisecond, jitter: 5 * time.Millisecond}
				w.toDown = link{loss: 0.03, delay: 15 * time.Millisecond}
				w.down.Bind(w.bind)
				for range 10 {
					w.down.SetMaxLayer(w.rng.IntN(3))
					w.run(3 * time.Second)
				}
				if w.viewer.frames < 700 {
					t.Fatalf("%d of 900 frames", w.viewer.frames)
				}
			})
		})
	}
}

// Whatever is done in whatever order, once it is undone the picture is back.
func TestNoOrderOfEventsLeavesATrackStuck(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, 300+seed, simulcast, func(t *testing.T, w *world) {
				if seed%2 == 1 {
					w.viewer.sloppy = true
					for _, l := range []*link{&w.uplink, &w.dnlink, &w.toPub, &w.toDown} {
						l.loss, l.delay, l.jitter = 0.02, 10*time.Millisecond, 3*time.Millisecond
					}
				}
				var log []string
				acts := []struct {
					name string
					do   func()
				}{
					{"pause", func() { w.down.SetPaused(true) }},
					{"resume", func() { w.down.SetPaused(false) }},
					{"mute", func() { w.up.SetMuted(true) }},
					{"unmute", func() { w.up.SetMuted(false) }},
					{"limit", func() { w.down.SetMaxLayer(w.rng.IntN(3)) }},
					{"limit", func() { w.down.SetMaxLayer(w.rng.IntN(3)) }},
					{"starve", func() { w.down.SetStarved(true) }},
					{"feed", func() { w.down.SetStarved(false) }},
					{"rate", func() { w.down.SetMaxFPS(uint32(w.rng.IntN(40))) }},
					{"allot", func() { w.down.SetAllotted(w.rng.IntN(3)) }},
					{"pad", func() { w.down.Pad(1000) }},
					{"bind", func() { w.down.Bind(w.bind) }},
					{"unbind", func() { w.down.Unbind() }},
					{"silence", func() { w.pub.layers[w.rng.IntN(3)].silent = true }},
					{"sound", func() { w.pub.layers[w.rng.IntN(3)].silent = false }},
					{"restart", func() { w.pub.start(simulcast[w.rng.IntN(3)]) }},
				}
				for range 5 {
					for range 12 {
						a := acts[w.rng.IntN(len(acts))]
						log = append(log, a.name)
						a.do()
						w.run(time.Duration(w.rng.IntN(400)) * time.Millisecond)
					}
					w.down.SetPaused(false)
					w.down.SetStarved(false)
					w.down.SetAllotted(2)
					w.up.SetMuted(false)
					w.down.Bind(w.bind)
					limit := w.rng.IntN(3)
					w.down.SetMaxLayer(limit)
					for _, l := range w.pub.layers {
						l.silent = false
					}
					calm := []*link{&w.uplink, &w.dnlink, &w.toPub, &w.toDown}
					losses := make([]float64, len(calm))
					for i, l := range calm {
						losses[i] = l.setLoss(0)
					}
					w.run(4 * time.Second)
					w.viewer.wantPlaying(limit, fmt.Sprint(log))
					if !w.viewer.sloppy && w.down.Stats().NACKs > 0 {
						t.Fatalf("%v: the viewer found a hole though nothing was lost", log)
					}
					for i, l := range calm {
						l.setLoss(losses[i])
					}
				}
			})
		})
	}
}

// The timestamps across a switch are as far apart as the frames were when
// they were captured, except that they must rise where a layer comes later
// than the one before it. That shift does not add up.
func TestSwitchKeepsCaptureTime(t *testing.T) {
	inWorld(t, 11, simulcast, func(t *testing.T, w *world) {
		lag := []time.Duration{0, 30 * time.Millisecond, 80 * time.Millisecond}
		for _, l := range w.pub.layers {
			l.lag = lag[l.index]
		}
		w.down.SetMaxLayer(0)
		w.down.Bind(w.bind)
		w.run(3 * time.Second) // sender reports have come
		first := w.viewer.last
		for _, layer := range []int{2, 0, 2, 1, 2, 0, 2, 0, 1, 0} {
			w.down.SetMaxLayer(layer)
			w.run(2 * time.Second)
			w.viewer.wantPlaying(layer, "switched")
			last := w.viewer.last
			told := time.Duration(int32(last.timestamp-first.timestamp)) * time.Second / 90000
			if off := told - (last.captured - first.captured); off < -time.Millisecond || off > lag[layer]+time.Millisecond {
				t.Fatalf("on layer %d timestamps are %v off", layer, off)
			}
		}
	})
}

func TestSwitchIsVisibleToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, simulcast...)
		defer w.close()
		var layers []int
		w.down = New(Options{Source: w.up, OnLayer: func(layer int) { layers = append(layers, layer) }})
		w.down.SetMaxLayer(0)
		w.down.Bind(w.bind)
		w.run(time.Second)
		w.down.SetMaxLayer(2)
		w.run(time.Second)
		w.down.SetPaused(true)
		w.down.SetPaused(false)
		w.run(time.Second)
		if !slices.Equal(layers, []int{0, 2}) {
			t.Fatalf("told of layers %v", layers)
		}
	})
}
