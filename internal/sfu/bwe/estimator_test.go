package bwe

import (
	"testing"
	"time"
)

func TestAWideLinkShowsNoLimit(t *testing.T) {
	for name, change := range map[string]func(*path){
		"steady":           func(*path) {},
		"key frames":       func(p *path) { p.rate, p.keyEvery = 3e6, 50 },
		"large key frames": func(p *path) { p.rate, p.keyEvery, p.rung = 1e6, 50, 1; p.ladder = p.ladder[:2] },
		"loss":             func(p *path) { p.loss = 0.05 },
		"jitter":           func(p *path) { p.jitter = 80 * time.Millisecond },
		"long":             func(p *path) { p.delay = 300 * time.Millisecond },
		"ten frames":       func(p *path) { p.fps = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				p := newPath(t, seed)
				change(p)
				p.run(30 * time.Second)
				p.wantUnlimited("by nothing")
			}
		})
	}
}

// A link that becomes narrow is noticed before a second of its queue stands,
// and used well; when it is wide again the best rung is back in seconds.
func TestNarrowLinkIsFollowedDownAndUp(t *testing.T) {
	for _, narrow := range []float64{60e3, 200e3, 400e3, 800e3, 1.2e6} {
		for seed := range uint64(3) {
			p := newPath(t, seed)
			p.queue = time.Second
			p.run(5 * time.Second)
			p.rate = narrow
			down := p.until(2500*time.Millisecond, "the estimate is below the link", func() bool { return float64(p.e.Capacity()) <= narrow*1.05 })
			p.run(5 * time.Second)
			want := -1
			for want+1 < len(p.ladder) && float64(p.ladder[want+1]) < 0.9*narrow {
				want++
			}
			// Over the next while it is where it should be, and the queue is short.
			high, low, deep := 0, 0, 0
			for range 200 {
				p.run(50 * time.Millisecond)
				if p.rung > want {
					high++
				}
				if p.rung < want {
					low++
				}
				if p.freeAt.Sub(p.now) > 300*time.Millisecond {
					deep++
				}
			}
			if high > 30 || low > 20 || deep > 20 {
				t.Errorf("%v bit/s, seed %d: %d too high, %d too low, %d deep of 200", narrow, seed, high, low, deep)
			}
			p.rate = 20e6
			up := p.until(6*time.Second, "the best rung is back", func() bool { return p.rung == 2 })
			t.Logf("%.0f bit/s: down in %v, up in %v", narrow, down, up)
			p.run(10 * time.Second)
			if p.rung != 2 {
				t.Errorf("%v bit/s: rung %d after recovery", narrow, p.rung)
			}
		}
	}
}

func TestALinkThatDropsInsteadOfQueueingIsFollowed(t *testing.T) {
	for seed := range uint64(3) {
		p := newPath(t, seed)
		p.run(3 * time.Second)
		p.rate, p.queue = 400e3, 30*time.Millisecond
		p.until(3*time.Second, "the estimate is below the link", func() bool { return p.e.Capacity() < 420_000 })
		p.rate, p.queue = 20e6, 500*time.Millisecond
		p.until(6*time.Second, "the best rung is back", func() bool { return p.rung == 2 })
	}
}

func TestLossThatIsNotOursIsAccepted(t *testing.T) {
	for seed := range uint64(3) {
		p := newPath(t, seed)
		p.loss = 0.2
		p.run(20 * time.Second)
		p.until(5*time.Second, "the best rung in spite of the loss", func() bool { return p.rung == 2 })
		low := 0
		for range 200 {
			p.run(50 * time.Millisecond)
			if p.rung < 2 {
				low++
			}
		}
		if low > 40 {
			t.Errorf("seed %d: too low %d times of 200", seed, low)
		}
	}
}

func TestALongerRouteIsNoQueue(t *testing.T) {
	p := newPath(t, 1)
	p.run(5 * time.Second)
	p.delay += 90 * time.Millisecond
	p.run(15 * time.Second)
	p.until(10*time.Second, "the best rung on the longer route", func() bool { return p.rung == 2 })
	p.run(30 * time.Second)
	if p.rung != 2 {
		t.Errorf("rung %d", p.rung)
	}
}

func TestSilenceLowersTheEstimate(t *testing.T) {
	p := newPath(t, 1)
	p.run(3 * time.Second)
	p.rate = 0
	p.until(10*time.Second, "nothing is sent into nothing", func() bool { return p.rung < 0 })
	p.rate, p.freeAt = 20e6, p.now
	p.until(6*time.Second, "the best rung is back", func() bool { return p.rung == 2 })
}

func TestAnIdleConnectionIsNotSilent(t *testing.T) {
	p := newPath(t, 1)
	p.run(3 * time.Second)
	p.rung, p.ladder = -1, nil
	p.run(20 * time.Second)
	p.wantUnlimited("after a while without video")
}

// Clients that give no feedback are served as before.
func TestWithoutFeedbackThereIsNoLimit(t *testing.T) {
	h := NewHistory(start)
	e := New(h, start)
	for i := range 1000 {
		now := start.Add(time.Duration(i) * 20 * time.Millisecond)
		h.Sent(1000, now.Sub(start))
		e.Poll(now)
		if e.Probe(1e9, now) {
			t.Fatal("a probe that nobody reports on")
		}
	}
	if e.Capacity() != Unlimited {
		t.Fatalf("capacity %d", e.Capacity())
	}
	e.REMB(500_000, 1_000_000, start)
	if e.Capacity() != 500_000 {
		t.Fatalf("capacity %d, want the receiver's own estimate", e.Capacity())
	}
}

func TestProbesStayWithinWhatTheyCost(t *testing.T) {
	p := newPath(t, 3)
	p.queue = time.Second
	p.run(3 * time.Second)
	p.rate = 250e3
	p.run(10 * time.Second)
	before, began := p.sentBits, p.now
	p.run(30 * time.Second)
	rate := (p.sentBits - before) / p.now.Sub(began).Seconds()
	if rate > 250e3 {
		t.Errorf("%.0f bit/s into a link of 250000", rate)
	}
}

func TestSentAllocatesNothing(t *testing.T) {
	h := NewHistory(start)
	if n := testing.AllocsPerRun(100, func() { h.Sent(1200, time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSent(b *testing.B) {
	h := NewHistory(start)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Sent(1200, time.Second)
		}
	})
}

// The last packets of a track that ends are often not reported: the client does
// not know their SSRC any more.
func TestUnreportedLastPacketsAreNoSilence(t *testing.T) {
	now := time.Unix(1000, 0)
	h := NewHistory(now)
	e := New(h, now)
	e.heard = true
	h.Sent(1200, 0)
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		e.Poll(now)
	}
	if e.Capacity() != Unlimited {
		t.Errorf("capacity %d after a last packet", e.Capacity())
	}
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		h.Sent(1200, now.Sub(h.Epoch()))
		e.Poll(now)
	}
	if e.Capacity() != Floor {
		t.Errorf("capacity %d when nothing is heard of all that is sent", e.Capacity())
	}
}

// Packets that come late at random, each by itself, are no queue, however late.
func TestVideoPassesARestlessPath(t *testing.T) {
	for _, fps := range []int{10, 15, 30} {
		for _, jitter := range []time.Duration{100 * time.Millisecond, 190 * time.Millisecond, 300 * time.Millisecond} {
			for seed := range uint64(3) {
				p := newPath(t, seed)
				p.delay, p.jitter, p.loss = 190*time.Millisecond, jitter, 0.05
				p.fps, p.ladder, p.rung = fps, []uint64{240_000}, 0
				sending := 0
				for range 600 {
					p.run(100 * time.Millisecond)
					if p.rung == 0 {
						sending++
					}
				}
				if sending < 570 {
					t.Errorf("%d frames a second, jitter %v, seed %d: it sends %d %% of the time", fps, jitter, seed, sending/6)
				}
			}
		}
	}
}
