package bwe

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// A path is a sender of layered video, a link that may be too narrow for it,
// and a receiver that reports, in simulated time. The seed decides everything.
type path struct {
	t   *testing.T
	rng *rand.Rand
	now time.Time
	h   *History
	e   *Estimator

	// the link
	rate    float64       // bits per second; 0 carries nothing
	queue   time.Duration // how much it holds; beyond that packets are lost
	delay   time.Duration
	loss    float64
	jitter  time.Duration
	freeAt  time.Time
	flights []flight

	// the sender
	ladder   []uint64 // bits per second; it sends the highest rung that the estimate allows
	fps      int
	rung     int // -1 sends nothing
	frameDue time.Time
	frames   int
	keyEvery int // frames; a key frame is keySize times as large
	keySize  float64
	sentBits float64
	spread   *spread // what holds packets of frames back; nil sends them at once

	// the receiver
	recorder   *twcc.Recorder
	feedbackAt time.Time
	feedback   []flight
	delivered  int
	stall      time.Duration // it stands still for up to so long, half of the time
	stalled    time.Time     // until then
	awake      time.Time     // until then
}

type flight struct {
	at  time.Time
	seq uint16
	raw []byte
}

func newPath(t *testing.T, seed uint64) *path {
	p := &path{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: start,
		rate: 20e6, queue: 500 * time.Millisecond, delay: 20 * time.Millisecond, jitter: 5 * time.Millisecond,
		ladder: []uint64{150_000, 500_000, 1_700_000}, fps: 25, rung: 2, keyEvery: 1 << 30, keySize: 10,
		recorder: twcc.NewRecorder(1), frameDue: start, feedbackAt: start,
	}
	p.h = NewHistory(start)
	p.e = New(p.h, start)
	return p
}

// need is what the estimate must be for the next rung.
func (p *path) need() uint64 {
	if p.rung+1 < len(p.ladder) {
		return p.ladder[p.rung+1]*100/95 + 1
	}
	return 0
}

func (p *path) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(2 * time.Millisecond) {
		if p.rung >= 0 && !p.now.Before(p.frameDue) {
			p.frame()
		}
		if p.spread != nil {
			p.spread.run(p)
		}
		if bytes, more := p.e.Padding(p.now); more {
			if p.spread != nil {
				bytes -= p.spread.release(p, bytes)
			}
			for ; bytes > 0; bytes -= 270 {
				p.send(270)
			}
		}
		p.arrive()
		p.report()
		p.e.Poll(p.now)
		p.choose()
		p.e.Probe(p.need(), p.now)
	}
}

func (p *path) frame() {
	interval := time.Second / time.Duration(p.fps)
	size := float64(p.ladder[p.rung]) / 8 * interval.Seconds()
	size *= 0.7 + 0.6*p.rng.Float64()
	if p.frames%p.keyEvery == p.keyEvery-1 {
		size *= p.keySize
	}
	p.frames++
	p.frameDue = p.frameDue.Add(interval)
	if p.frameDue.Before(p.now) {
		p.frameDue = p.now.Add(interval)
	}
	if p.spread != nil {
		p.spread.frame(p, size)
		return
	}
	for ; size > 0; size -= 1100 {
		p.send(int(min(size, 1100)) + 20)
	}
}

// send sends a packet of video, and returns when it arrives if it does.
func (p *path) send(size int) (at time.Time, ok bool) {
	seq := p.h.Sent(size, p.now.Sub(start))
	p.sentBits += float64(8 * size)
	if p.rate == 0 || p.rng.Float64() < p.loss {
		return time.Time{}, false
	}
	if at, ok = p.carry(size); !ok {
		return at, false
	}
	if p.jitter > 0 {
		at = at.Add(time.Duration(p.rng.Int64N(int64(p.jitter))))
	}
	p.flights = append(p.flights, flight{at: at, seq: seq})
	return at, true
}

// carry is what the link does with a packet of any kind.
func (p *path) carry(size int) (at time.Time, ok bool) {
	from := p.now
	if p.freeAt.After(from) {
		from = p.freeAt
	}
	if from.Sub(p.now) > p.queue {
		return time.Time{}, false
	}
	p.freeAt = from.Add(time.Duration(float64(8*size) / p.rate * float64(time.Second)))
	return p.freeAt.Add(p.delay), true
}

func (p *path) arrive() {
	if p.stall > 0 && !p.now.Before(p.awake) {
		p.stalled = p.now.Add(time.Duration(p.rng.Int64N(int64(p.stall))))
		p.awake = p.stalled.Add(time.Duration(p.rng.Int64N(int64(p.stall))))
	}
	if p.now.Before(p.stalled) {
		return
	}
	kept := p.flights[:0]
	for _, f := range p.flights {
		if f.at.After(p.now) {
			kept = append(kept, f)
			continue
		}
		p.delivered++
		at := f.at
		if p.stall > 0 {
			at = p.now
		}
		p.recorder.Record(5, f.seq, at.Sub(start).Microseconds())
	}
	p.flights = kept
}

func (p *path) report() {
	if !p.now.Before(p.feedbackAt) && !p.now.Before(p.stalled) {
		p.feedbackAt = p.now.Add(100 * time.Millisecond)
		for _, pkt := range p.recorder.BuildFeedbackPacket() {
			raw, err := pkt.Marshal()
			if err != nil {
				p.t.Fatal(err)
			}
			p.feedback = append(p.feedback, flight{at: p.now.Add(p.delay), raw: raw})
		}
	}
	for len(p.feedback) > 0 && !p.feedback[0].at.After(p.now) {
		if err := p.e.Feedback(p.feedback[0].raw, p.now); err != nil {
			p.t.Fatal(err)
		}
		p.feedback = p.feedback[1:]
	}
}

// choose does what an allocator would.
func (p *path) choose() {
	c := p.e.Capacity()
	for p.rung >= 0 && p.ladder[p.rung] > c {
		p.rung--
	}
	for p.rung+1 < len(p.ladder) && float64(p.ladder[p.rung+1]) <= 0.95*float64(c) {
		p.rung++
	}
}

// until runs until the condition holds and returns how long that took.
func (p *path) until(limit time.Duration, what string, condition func() bool) time.Duration {
	p.t.Helper()
	from := p.now
	for !condition() {
		if p.now.Sub(from) > limit {
			p.t.Fatalf("not within %v: %s; rung %d, capacity %d, queue %v", limit, what, p.rung, p.e.Capacity(), p.e.QueueDelay())
		}
		p.run(10 * time.Millisecond)
	}
	return p.now.Sub(from)
}

func (p *path) wantUnlimited(why string) {
	p.t.Helper()
	if c := p.e.Capacity(); c != Unlimited {
		p.t.Errorf("limited to %d %s", c, why)
	}
}
