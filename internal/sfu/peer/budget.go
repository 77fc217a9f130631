package peer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/allocator"
	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

const (
	// reallocate is the pause between two looks at what the tracks take.
	reallocate = 250 * time.Millisecond
	// padInterval is how often a probe sends its padding.
	padInterval = 5 * time.Millisecond
	// probeWait is how often it is seen whether it is time for a probe.
	probeWait = 100 * time.Millisecond
)

// budget shares what a connection carries among the video tracks sent on it.
// While the connection shows no limit it does nothing but listen. It is driven
// by the client's feedback, and by a timer that runs only while a track gets
// less than it wants.
//
// Its lock is taken for feedback and for changes of tracks, never for a packet.
type budget struct {
	mayPause bool          // immutable
	starved  func(*Sender) // immutable; called with mu held, must not block

	history atomic.Pointer[bwe.History] // set once, when the first track is added
	pacer   pacer                       // its lock may be taken with mu held

	mu        sync.Mutex // guards the rest
	estimator *bwe.Estimator
	shares    []*share
	tracks    []allocator.Track // scratch space
	need      uint64            // the capacity that would be of use, 0 if more is not
	used      uint64            // the capacity that was shared last
	shared    time.Time
	limited   bool   // not everything is sent because nothing is known to limit it
	ceiling   uint64 // of the capacity, whatever there is; 0: none
	probing   bool
	told      bool // the client tells an estimate of its own
	timer     *time.Timer
	closed    bool
}

// share is one track's part.
type share struct {
	sender *Sender
	step   int
	peaks  [uptrack.MaxLayers]uint64 // what layers take, falling slowly
	rates  []uint64                  // of the steps
	steps  []step
	sent   sentRate
}

// sentRate is what is sent of a track, headers included.
type sentRate struct {
	bytes         uint64    // sent until then
	at            time.Time // zero: it was not looked at
	bitsPerSecond uint64    // before then
}

// measured is how long a rate is measured at least.
const measured = 500 * time.Millisecond

// step is what is sent of a track.
type step struct{ layer, temporal int }

// guesses are what layers take before that is known, in bits per second.
var guesses = [uptrack.MaxLayers]uint64{150_000, 500_000, 1_500_000, 3_000_000}

// add begins to count a sender in. It is called before the track is bound.
func (g *budget) add(s *Sender) *bwe.History {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.estimator == nil {
		h := bwe.NewHistory(now)
		g.history.Store(h)
		g.estimator = bwe.New(h, now)
	}
	for _, sh := range g.shares {
		if sh.sender == s {
			return g.history.Load()
		}
	}
	g.shares = append(g.shares, &share{sender: s, step: allocator.Paused})
	if g.limited {
		s.down.SetAllotted(0)
		g.wake(padInterval)
	} else {
		s.unlimited() // it may be back after a limit that is gone
	}
	return g.history.Load()
}

func (g *budget) remove(s *Sender) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, sh := range g.shares {
		if sh.sender == s {
			g.shares = append(g.shares[:i], g.shares[i+1:]...)
			g.pacer.forget(s.ssrc, s.rtx)
			if g.limited {
				g.wake(padInterval)
			}
			return
		}
	}
}

func (g *budget) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.shares = nil
	g.pacer.close()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// feedback takes the client's transport-wide feedback. What is malformed is
// ignored, as is what comes before there is any video.
func (g *budget) feedback(b []byte) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.estimator == nil || g.estimator.Feedback(b, now) != nil {
		return
	}
	g.advance(now)
}

// remb takes the client's own estimate in bits per second.
func (g *budget) remb(bitsPerSecond uint64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.estimator == nil {
		return
	}
	g.told = true
	g.estimator.REMB(bitsPerSecond, g.sending(now), now)
	g.advance(now)
}

// poll is called about once a second while tracks are sent.
func (g *budget) poll(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.estimator == nil {
		return
	}
	if g.told {
		g.sending(now) // so that it is of the last while when an estimate comes
	}
	g.advance(now)
}

// advance does what is due. mu is held.
func (g *budget) advance(now time.Time) {
	g.estimator.Poll(now)
	g.pacer.set(g.history.Load(), g.estimator.Pace(now))
	capacity := g.estimator.Capacity()
	if g.ceiling > 0 {
		capacity = min(capacity, g.ceiling)
	}
	if capacity == bwe.Unlimited {
		return
	}
	g.limited = true
	if capacity < g.used || now.Sub(g.shared) >= reallocate || capacity > g.used && capacity >= g.need && g.need > 0 {
		g.share(capacity, now)
	}
	switch {
	case g.probing:
	case g.need == 0:
	case capacity == g.ceiling:
		g.wake(reallocate) // no probe would help
	case g.estimator.Probe(g.need, now):
		g.probing = true
		g.wake(0)
	default:
		g.wake(probeWait)
	}
}

// limit puts a ceiling on what is sent of video, in bits per second; 0 takes it
// away.
func (g *budget) limit(bitsPerSecond uint64) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.ceiling == bitsPerSecond {
		return
	}
	g.ceiling = bitsPerSecond
	g.limited = g.limited || bitsPerSecond > 0
	if g.estimator == nil {
		g.limited = bitsPerSecond > 0
		return
	}
	if bitsPerSecond == 0 && g.estimator.Capacity() == bwe.Unlimited {
		g.release()
		return
	}
	g.shared = time.Time{}
	g.advance(now)
}

// release sends everything again. mu is held.
func (g *budget) release() {
	g.limited, g.need, g.used = false, 0, 0
	for _, sh := range g.shares {
		sh.step = allocator.Paused
		sh.sender.unlimited()
	}
}

// unlimited has everything sent that the client wants.
func (s *Sender) unlimited() {
	s.down.SetAllotted(uptrack.MaxLayers - 1)
	s.down.SetAllottedTemporal(uptrack.AllTemporal)
	s.down.SetStarved(false)
}

// wake makes the timer fire. mu is held.
func (g *budget) wake(d time.Duration) {
	switch {
	case g.closed:
	case g.timer == nil:
		g.timer = time.AfterFunc(d, g.tick)
	default:
		g.timer.Reset(d)
	}
}

// tick runs on the timer's goroutine.
func (g *budget) tick() {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	if g.probing {
		bytes, more := g.estimator.Padding(now)
		if bytes > 0 {
			bytes = max(bytes-g.pacer.release(bytes), 0) // what waits serves as well
		}
		if more && (bytes == 0 || g.pad(bytes)) {
			g.wake(padInterval)
			return
		}
		g.probing = false
		if more {
			g.estimator.Assume(g.need, now) // nothing can pad
		}
	}
	g.advance(now)
}

// pad sends padding on any track that can.
func (g *budget) pad(bytes int) bool {
	for _, sh := range g.shares {
		if sh.sender.down.Pad(bytes) > 0 {
			return true
		}
	}
	return false
}

// sending is what the tracks have taken lately. What is left out of a layer does not
// count: who tells an estimate tells it by what it receives.
func (g *budget) sending(now time.Time) (sum uint64) {
	for _, sh := range g.shares {
		s := sh.sender.down.Stats()
		sh.sent.look(s.Octets+s.RetransmittedOctets+rtpHeader*(s.Packets+s.Retransmitted), now)
		sum += sh.sent.bitsPerSecond
	}
	return sum
}

// rtpHeader is how long a header is without extensions, in bytes.
const rtpHeader = 12

func (r *sentRate) look(bytes uint64, now time.Time) {
	passed := now.Sub(r.at)
	switch {
	case r.at.IsZero():
	case passed < measured:
		return
	default:
		r.bitsPerSecond = uint64(float64(8*(bytes-r.bytes)) / passed.Seconds())
	}
	r.bytes, r.at = bytes, now
}

// share gives each track the step that fits.
func (g *budget) share(capacity uint64, now time.Time) {
	g.used, g.shared = capacity, now
	g.tracks = g.tracks[:0]
	for i, sh := range g.shares {
		if !sh.wants() {
			// It takes nothing, so that it can begin at once when it does.
			sh.step = allocator.Paused
			sh.sender.down.SetAllotted(0)
			sh.sender.down.SetStarved(false)
			continue
		}
		sh.measure(now)
		g.tracks = append(g.tracks, allocator.Track{
			ID: i, Priority: int(sh.sender.priority.Load()), Rates: sh.rates, Now: sh.step,
		})
	}
	g.need = allocator.Allocate(capacity, g.mayPause, g.tracks)
	for i := range g.tracks {
		sh := g.shares[g.tracks[i].ID]
		sh.step = g.tracks[i].Next
		if sh.step == allocator.Paused {
			if !sh.sender.down.Starved() {
				sh.sender.down.SetStarved(true)
				g.starved(sh.sender)
			}
			continue
		}
		if len(sh.steps) > 0 {
			sh.sender.down.SetAllotted(sh.steps[sh.step].layer)
			sh.sender.down.SetAllottedTemporal(sh.steps[sh.step].temporal)
		}
		sh.sender.down.SetStarved(false)
	}
}

// wants reports whether anything would be sent if it could.
func (sh *share) wants() bool {
	return !sh.sender.down.Paused() && !sh.sender.up.Muted()
}

// measureTemporal adds the steps below what the subscriber wants of a layer: fewer
// frames are better than none. parts are what its temporal layers take up to those
// wanted, as they were in the last second.
func (sh *share) measureTemporal(l int, wanted uint64, parts []uint64) {
	whole := slices.Max(parts)
	for t, part := range parts {
		if part > 0 && part < whole {
			sh.rates = append(sh.rates, uint64(float64(wanted)*float64(part)/float64(whole)))
			sh.steps = append(sh.steps, step{l, t})
		}
	}
}

// measure finds the steps of a track and what they take. A step is a live
// layer that the subscriber wants, or the least one if it wants none of them;
// the least one comes in parts if it has temporal layers.
func (sh *share) measure(now time.Time) {
	up, wish := sh.sender.up, sh.sender.down.MaxLayer()
	rates, live := up.Rates(now), up.Live()
	sh.rates, sh.steps = sh.rates[:0], sh.steps[:0]
	for l := range uptrack.MaxLayers {
		if live&(1<<l) == 0 {
			sh.peaks[l] = 0
			continue
		}
		// A key frame makes the next seconds look cheap.
		sh.peaks[l] = max(rates[l], sh.peaks[l]-sh.peaks[l]/16)
		rate := sh.peaks[l]
		known := rate > 0
		if !known {
			rate = guesses[l]
		}
		parts, wanted := up.TemporalRates(l, now), sh.sender.down.WishedTemporal(l, now)
		if part, all := slices.Max(parts[:wanted+1]), slices.Max(parts[:]); part > 0 {
			rate = uint64(float64(rate) * float64(part) / float64(all))
		}
		if n := len(sh.rates); n > 0 && (l > wish || rate <= sh.rates[n-1]) {
			continue
		}
		if len(sh.rates) == 0 && known {
			sh.measureTemporal(l, rate, parts[:wanted+1])
		}
		sh.rates, sh.steps = append(sh.rates, rate), append(sh.steps, step{l, uptrack.AllTemporal})
	}
	// The ladder may have become shorter.
	sh.step = min(sh.step, max(len(sh.rates)-1, 0))
}
