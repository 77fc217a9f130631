package compose

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Sound is 48,000 samples a second, of two channels, interleaved, from -1 to 1.
const (
	Rate     = 48000
	Channels = 2
	// Slot is how many samples of a channel are mixed at a time: 20 ms.
	Slot = Rate / 50
	// SlotTime is how long that takes.
	SlotTime = Slot * time.Second / Rate
)

// SampleAt is the number of the sample of a channel that is heard at that time since the
// beginning. It does not overflow within years.
func SampleAt(at time.Duration) int64 {
	return int64(at/time.Second)*Rate + int64(at%time.Second)*Rate/int64(time.Second)
}

// Limits of a voice, in samples of a channel.
const (
	maxAhead = 10 * Rate
	// jump is how far off its place sound may be and still follow what came before
	// it: clocks are corrected by less.
	jump = Rate / 25
	// near is how far off its place it may stay. What is further off gets there by one
	// sample more, or less, in bend.
	near = Rate / 400
	bend = 250
)

// Side is where a voice is heard.
type Side int

// The sides.
const (
	Both Side = iota
	Left
	Right
)

// Voice is the sound of one track that waits to be mixed.
type Voice struct {
	Owner string // identity
	Side  Side

	from    int64 // place of the first sample, in samples of a channel
	samples []float32
	level   float64 // smoothed power
}

// Put adds sound that begins at that place. What follows what is there closely is
// taken to follow it, and gets to its place little by little; what was mixed already
// is left out.
func (v *Voice) Put(at int64, samples []float32) {
	end := v.from + int64(len(v.samples)/Channels)
	if d := at - end; len(v.samples) > 0 && d > -jump && d < jump {
		if at = end; d > near || d < -near {
			most := int64(len(samples) / Channels / bend)
			samples = stretch(samples, int(min(max(d, -most), most)))
		}
	}
	if len(v.samples) == 0 && at > v.from {
		v.from = at
		end = at
	}
	if at < end { // over what is there
		skip := min((end-at)*Channels, int64(len(samples)))
		samples, at = samples[skip:], end
	}
	if at-v.from > maxAhead {
		return
	}
	for range (at - end) * Channels {
		v.samples = append(v.samples, 0)
	}
	v.samples = append(v.samples, samples...)
}

// stretch makes sound longer by that many samples of a channel, or shorter: what is
// between two of them is on the line from one to the other.
func stretch(samples []float32, by int) []float32 {
	n := len(samples) / Channels
	if by == 0 || n < 2 || n+by < 2 {
		return samples
	}
	out := make([]float32, (n+by)*Channels)
	step := float64(n-1) / float64(n+by-1)
	for i := range n + by {
		at := float64(i) * step
		from := min(int(at), n-2)
		part := float32(at - float64(from))
		for c := range Channels {
			a, b := samples[from*Channels+c], samples[(from+1)*Channels+c]
			out[i*Channels+c] = a + (b-a)*part
		}
	}
	return out
}

// Until is the place up to which there is sound.
func (v *Voice) Until() int64 { return v.from + int64(len(v.samples)/Channels) }

// take adds the slot at that place to sum, and forgets it.
func (v *Voice) take(at int64, sum []float32) {
	power := 0.0
	if skip := at - v.from; skip > 0 {
		n := min(skip*Channels, int64(len(v.samples)))
		v.samples = v.samples[n:]
		v.from = at
	}
	if first := v.from - at; first < Slot && len(v.samples) > 0 {
		to := sum[first*Channels:]
		n := min(len(v.samples), len(to))
		for i := 0; i+1 < n; i += Channels {
			l, r := v.samples[i], v.samples[i+1]
			power += float64(l*l + r*r)
			switch v.Side {
			case Both:
				to[i] += l
				to[i+1] += r
			case Left:
				to[i] += (l + r) / 2
			case Right:
				to[i+1] += (l + r) / 2
			}
		}
		v.samples = v.samples[n:]
		v.from += int64(n / Channels)
	}
	if len(v.samples) == 0 {
		v.samples = nil // and its memory
		v.from = max(v.from, at+Slot)
	}
	power /= Slot * Channels
	// Who begins to speak is heard at once, who pauses goes on speaking.
	if power > v.level {
		v.level += (power - v.level) * 0.5
	} else {
		v.level += (power - v.level) * 0.05
	}
}

// audible is the power from which on somebody speaks: -45 dB.
const audible = 3e-5

// Mixer adds up voices.
type Mixer struct {
	sum  [Slot * Channels]float32
	gain float64 // below 1 while it would be too loud
}

// Mix writes the slot at that place to out, 16 bits a sample, least significant
// byte first.
func (m *Mixer) Mix(at int64, voices []*Voice, out []byte) {
	m.sum = [Slot * Channels]float32{}
	for _, v := range voices {
		v.take(at, m.sum[:])
	}
	peak := float32(0)
	for _, s := range m.sum {
		peak = max(peak, s, -s)
	}
	// Down at once, up within half a second.
	target := 1.0
	if peak > 1 {
		target = 1 / float64(peak)
	}
	begin := m.gain
	if begin == 0 {
		begin = 1
	}
	m.gain = min(target, begin+0.04)
	begin = min(begin, target)
	step := (m.gain - begin) / (Slot * Channels)
	for i, s := range m.sum {
		n := int(math.Round(float64(s) * (begin + step*float64(i)) * 32767))
		n = min(max(n, -32768), 32767)
		out[2*i], out[2*i+1] = byte(n), byte(n>>8)
	}
}

// Speakers are who is heard, loudest first.
func Speakers(voices []*Voice) []string {
	var loud []*Voice
	for _, v := range voices {
		if v.level > audible {
			loud = append(loud, v)
		}
	}
	slices.SortStableFunc(loud, func(a, b *Voice) int { return cmp.Compare(b.level, a.level) })
	var names []string
	for _, v := range loud {
		if !slices.Contains(names, v.Owner) {
			names = append(names, v.Owner)
		}
	}
	return names
}
