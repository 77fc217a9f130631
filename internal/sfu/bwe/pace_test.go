package bwe

import (
	"flag"
	"slices"
	"testing"
	"time"
)

var figures = flag.Bool("figures", false, "print the table of ADR 0033")

// spread is how a connection sends the packets of frames, with sound beside them, and
// those again that are lost.
type spread struct {
	paced    bool
	pace     Pace
	waiting  []framePacket
	bytes    int
	tick     time.Time
	resent   []framePacket // from when on they go again
	soundDue time.Time

	frames    int
	missing   map[int]int // packets of frames that have not arrived
	begun     map[int]time.Time
	waited    time.Duration   // the longest
	sound     []time.Duration // what packets of sound waited in the link
	soundLost int
	video     int
	videoLost int
	keys      []time.Duration // what the last packet of a key frame took beyond the path's delay
	others    []time.Duration // of the other frames
	lastKey   time.Duration
}

type framePacket struct {
	at          time.Time
	size, frame int
	key         bool
}

func newSpread(paced bool) *spread {
	return &spread{paced: paced, missing: map[int]int{}, begun: map[int]time.Time{}, soundDue: start}
}

func (s *spread) frame(p *path, size float64) {
	s.frames++
	s.begun[s.frames] = p.now
	key := p.frames%p.keyEvery == 0
	size /= 1 + (p.keySize-1)/float64(p.keyEvery) // so that all of them make the rung's rate
	var packets []framePacket
	for ; size > 0; size -= 1100 {
		packets = append(packets, framePacket{p.now, int(min(size, 1100)) + 20, s.frames, key})
	}
	s.missing[s.frames] = len(packets)
	for _, f := range packets {
		s.hold(p, f, false)
	}
}

func (s *spread) rate(p *path) uint64 {
	if !s.paced {
		return Unlimited
	}
	return p.e.Pace(p.now)
}

// hold sends a packet when it is time for it: those that go again first.
func (s *spread) hold(p *path, f framePacket, again bool) {
	if len(s.waiting) == 0 {
		s.pace.Begin(p.now)
	}
	if again {
		s.waiting = slices.Insert(s.waiting, 0, f)
	} else {
		s.waiting = append(s.waiting, f)
	}
	s.bytes += f.size
	s.drain(p)
}

func (s *spread) drain(p *path) {
	rate := s.rate(p)
	s.pace.Set(rate)
	for len(s.waiting) > 0 && (rate == Unlimited || s.pace.Due(s.waiting[0].at, p.now)) {
		s.pace.Went(s.waiting[0].size, s.bytes, p.now)
		s.send(p)
	}
}

// send sends the first of those that wait.
func (s *spread) send(p *path) {
	f := s.waiting[0]
	s.waiting, s.bytes = s.waiting[1:], s.bytes-f.size
	s.waited = max(s.waited, p.now.Sub(f.at))
	s.video++
	at, ok := p.send(f.size)
	if !ok {
		s.videoLost++
		f.at = p.freeAt.Add(2*p.delay + 10*time.Millisecond) // the client has seen the gap by then
		if f.at.Sub(s.begun[f.frame]) < time.Second {
			s.resent = append(s.resent, f) // until it gives up
		}
		return
	}
	if s.missing[f.frame]--; s.missing[f.frame] > 0 {
		return
	}
	took := at.Sub(s.begun[f.frame]) - p.delay
	if f.key {
		s.lastKey = took
		s.keys = append(s.keys, took)
	} else {
		s.others = append(s.others, took)
	}
	delete(s.missing, f.frame)
	delete(s.begun, f.frame)
}

// release sends of what waits instead of padding.
func (s *spread) release(p *path, bytes int) (sent int) {
	for sent < bytes && len(s.waiting) > 0 {
		sent += s.waiting[0].size
		s.send(p)
	}
	return sent
}

func (s *spread) run(p *path) {
	for ; !p.now.Before(s.soundDue); s.soundDue = s.soundDue.Add(20 * time.Millisecond) {
		if at, ok := p.carry(100); ok {
			s.sound = append(s.sound, at.Sub(p.now)-p.delay)
		} else {
			s.soundLost++
		}
	}
	for i := 0; i < len(s.resent); i++ {
		if f := s.resent[i]; !f.at.After(p.now) {
			s.resent = slices.Delete(s.resent, i, i+1)
			s.hold(p, f, true)
			i--
		}
	}
	if p.now.Sub(s.tick) >= 5*time.Millisecond {
		s.tick = p.now
		s.drain(p)
	}
}

// figuresOf runs a link that is just wide enough for the third rung.
func figuresOf(t *testing.T, paced bool, rate float64, queue time.Duration, more bool, seeds uint64) *spread {
	sum := newSpread(paced)
	for seed := range seeds {
		p := newPath(t, seed)
		p.spread = newSpread(paced)
		p.rate, p.queue, p.jitter = rate, queue, 2*time.Millisecond
		p.keyEvery, p.keySize = 75, 8
		p.ladder = []uint64{uint64(0.2 * rate), uint64(0.5 * rate), uint64(0.8 * rate), uint64(1.5 * rate)}
		p.rung = 3
		p.spread.soundDue = start.Add(time.Duration(p.rng.Int64N(int64(20 * time.Millisecond))))
		p.run(20 * time.Second)
		if !more {
			p.until(100*time.Second, "what fits is sent", func() bool { return p.rung == 2 })
			p.ladder = p.ladder[:3]
		}
		s := p.spread
		s.sound, s.keys, s.others, s.soundLost, s.video, s.videoLost, s.waited = nil, nil, nil, 0, 0, 0, 0
		p.run(60 * time.Second)
		sum.sound, sum.keys, sum.others = append(sum.sound, s.sound...), append(sum.keys, s.keys...), append(sum.others, s.others...)
		sum.soundLost, sum.video, sum.videoLost = sum.soundLost+s.soundLost, sum.video+s.video, sum.videoLost+s.videoLost
		sum.waited = max(sum.waited, s.waited)
	}
	slices.Sort(sum.sound)
	slices.Sort(sum.keys)
	slices.Sort(sum.others)
	return sum
}

func quantile(d []time.Duration, q float64) time.Duration {
	return d[min(int(q*float64(len(d))), len(d)-1)].Round(time.Millisecond)
}

func (s *spread) lost() float64 { return 100 * float64(s.videoLost) / float64(s.video) }
func (s *spread) mute() float64 {
	return 100 * float64(s.soundLost) / float64(s.soundLost+len(s.sound))
}

func TestFiguresOfPacing(t *testing.T) {
	if !*figures {
		t.Skip("run with -figures")
	}
	for _, more := range []bool{false, true} {
		for _, rate := range []float64{400e3, 1e6, 3e6} {
			for _, queue := range []time.Duration{60, 100, 300} {
				for _, paced := range []bool{false, true} {
					s := figuresOf(t, paced, rate, queue*time.Millisecond, more, 5)
					t.Logf("more wanted %-5v %4.0f kbit/s queue %3d ms paced %-5v: video lost %4.1f %% sound lost %4.1f %% sound p95 %v p99 %v max %v keys p50 %v p95 %v others p50 %v p99 %v waited %v",
						more, rate/1e3, queue, paced, s.lost(), s.mute(), quantile(s.sound, .95), quantile(s.sound, .99), quantile(s.sound, 1),
						quantile(s.keys, .5), quantile(s.keys, .95), quantile(s.others, .5), quantile(s.others, .99), s.waited)
				}
			}
		}
	}
}

// Where key frames do not fit into a link's queue they arrive whole and sooner, and little
// is lost; where they do, sound does not wait behind them.
func TestPacedKeyFramesSpareTheLink(t *testing.T) {
	for _, rate := range []float64{400e3, 1e6} {
		burst, paced := figuresOf(t, false, rate, 100*time.Millisecond, true, 1), figuresOf(t, true, rate, 100*time.Millisecond, true, 1)
		if paced.lost() > burst.lost()/4 || quantile(paced.keys, .95) > quantile(burst.keys, .95)*2/3 {
			t.Errorf("%.0f bit/s, short queue: of paced video %.1f %% is lost, key frames take %v; in bursts %.1f %%, %v",
				rate, paced.lost(), quantile(paced.keys, .95), burst.lost(), quantile(burst.keys, .95))
		}
		burst, paced = figuresOf(t, false, rate, 300*time.Millisecond, false, 1), figuresOf(t, true, rate, 300*time.Millisecond, false, 1)
		if quantile(paced.sound, .95) > quantile(burst.sound, .95)/2 || quantile(paced.keys, .95) > quantile(burst.keys, .95)*5/4 {
			t.Errorf("%.0f bit/s, long queue: sound waits for %v, key frames take %v; with bursts %v, %v",
				rate, quantile(paced.sound, .95), quantile(paced.keys, .95), quantile(burst.sound, .95), quantile(burst.keys, .95))
		}
	}
}

// A narrow link is followed down and up as without pacing, and when it is wide again
// the pace is given up.
func TestPacedVideoFollowsTheLink(t *testing.T) {
	for _, narrow := range []float64{200e3, 400e3, 1.2e6} {
		for seed := range uint64(2) {
			var deep [2]int
			for paced := range deep {
				p := newPath(t, seed)
				p.spread, p.keyEvery, p.keySize = newSpread(paced == 1), 75, 8
				p.queue = time.Second
				p.run(5 * time.Second)
				p.rate = narrow
				p.until(2500*time.Millisecond, "the estimate is below the link", func() bool { return float64(p.e.Capacity()) <= narrow*1.05 })
				p.run(5 * time.Second)
				for range 200 {
					p.run(50 * time.Millisecond)
					if p.freeAt.Sub(p.now) > 300*time.Millisecond {
						deep[paced]++
					}
				}
				p.rate = 20e6
				up := p.until(6*time.Second, "the best rung is back", func() bool { return p.rung == 2 })
				given := p.until(70*time.Second, "nothing is held back", func() bool { return p.e.Pace(p.now) == Unlimited })
				t.Logf("%.0f bit/s, paced %v: up in %v, without a pace %v later", narrow, paced == 1, up, given)
				p.run(10 * time.Second)
				if p.spread.lastKey > 50*time.Millisecond {
					t.Errorf("%v bit/s, seed %d: a key frame takes %v though the link is wide", narrow, seed, p.spread.lastKey)
				}
			}
			if deep[1] > deep[0]+20 {
				t.Errorf("%v bit/s, seed %d: the queue is deep %d times of 200, in bursts %d times", narrow, seed, deep[1], deep[0])
			}
		}
	}
}

// What is more than the connection carries all the time does not wait for long: that
// would be of no use.
func TestTooMuchIsNotHeldBackForLong(t *testing.T) {
	now := start
	var p Pace
	p.Set(100_000)
	type packet struct {
		at   time.Time
		size int
	}
	var waiting []packet
	bytes, longest := 0, time.Duration(0)
	for range 2000 { // ten seconds of a megabit
		if len(waiting) == 0 {
			p.Begin(now)
		}
		waiting, bytes = append(waiting, packet{now, 625}), bytes+625
		longest = 0
		for len(waiting) > 0 && p.Due(waiting[0].at, now) {
			f := waiting[0]
			p.Went(f.size, bytes, now)
			longest = max(longest, now.Sub(f.at))
			waiting, bytes = waiting[1:], bytes-f.size
		}
		now = now.Add(5 * time.Millisecond)
	}
	if longest > 2*paceLeast || longest == 0 {
		t.Errorf("after ten seconds packets wait for %v", longest)
	}
	if wait := time.Duration(bytes) * 8 * time.Second / 1_000_000; wait > 2*paceLeast {
		t.Errorf("after ten seconds there is %v of video", wait)
	}
}

func TestNothingWaitsForTooLong(t *testing.T) {
	var p Pace
	p.Set(Floor)
	p.Begin(start)
	p.Went(1e6, 1e6, start)
	p.Went(9e6, 1e6, start) // much more than should go
	if now := start.Add(PaceLongest); p.Due(start.Add(time.Millisecond), now) || !p.Due(start, now) {
		t.Error("a packet is not due when it has waited for long, or due before")
	}
}
