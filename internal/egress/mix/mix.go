package mix

import (
	"math"
	"time"

	"github.com/thesyncim/gopus"
)

// The form of what comes out.
const (
	Rate     = 48000 // hertz
	Channels = 2
	// Block is how many samples of each channel come at a time: 20 ms.
	Block = 960
)

const (
	// span is how much sound can be ahead of what was taken, in samples.
	span = 8 * Rate
	// smooth is by how much a packet may be early or late and still follow the one
	// before: clocks are corrected by less.
	smooth = Rate / 25
	// longest packet of Opus, in samples.
	longest = 5760
)

// Side is where a track is heard.
type Side int

// The sides.
const (
	Both Side = iota
	Left
	Right
)

// Mixer adds up tracks. It is for one goroutine.
type Mixer struct {
	begin  time.Time // zero before the first packet
	taken  int64     // samples since then
	ring   []float32 // what is not taken yet, interleaved, at the index of its time
	tracks map[uint16]*track
	pcm    [longest * Channels]float32
}

type track struct {
	decoder *gopus.Decoder
	side    Side
	begun   bool
	next    int64 // the sample that follows
}

// New returns a Mixer without tracks.
func New() *Mixer {
	return &Mixer{ring: make([]float32, span*Channels), tracks: make(map[uint16]*track)}
}

// Add adds a track, or moves one to another side.
func (m *Mixer) Add(number uint16, side Side) error {
	if t := m.tracks[number]; t != nil {
		t.side = side
		return nil
	}
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(Rate, Channels))
	if err != nil {
		return err
	}
	m.tracks[number] = &track{decoder: decoder, side: side}
	return nil
}

// Remove forgets a track. What it has said already is heard.
func (m *Mixer) Remove(number uint16) { delete(m.tracks, number) }

// Tracks is how many there are.
func (m *Mixer) Tracks() int { return len(m.tracks) }

// Begin is when the first packet was captured; zero before it.
func (m *Mixer) Begin() time.Time { return m.begin }

// Push adds a packet of a track that was captured at that time. What cannot be
// decoded is silence. What comes after its time was taken is not heard.
func (m *Mixer) Push(number uint16, at time.Time, packet []byte) {
	t := m.tracks[number]
	if t == nil {
		return
	}
	n, err := t.decoder.Decode(packet, m.pcm[:])
	if err != nil || n <= 0 {
		return
	}
	if m.begin.IsZero() {
		m.begin = at
	}
	from := int64(math.Round(at.Sub(m.begin).Seconds() * Rate))
	if off := from - t.next; t.begun && off > -smooth && off < smooth {
		from = t.next
	}
	t.begun, t.next = true, from+int64(n)
	for i := range n {
		pos := from + int64(i)
		if pos < m.taken || pos >= m.taken+span {
			continue
		}
		at := int(pos%span) * Channels
		l, r := m.pcm[i*Channels], m.pcm[i*Channels+1]
		switch t.side {
		case Left:
			m.ring[at] += (l + r) / 2
		case Right:
			m.ring[at+1] += (l + r) / 2
		default:
			m.ring[at] += l
			m.ring[at+1] += r
		}
	}
}

// Take fills a block of Block samples, interleaved, if all of it is before until, and
// returns since when after Begin it is; ok is false if not, and before the first
// packet.
func (m *Mixer) Take(until time.Time, block []int16) (at time.Duration, ok bool) {
	if m.begin.IsZero() || int64(until.Sub(m.begin).Seconds()*Rate) < m.taken+Block {
		return 0, false
	}
	for i := range Block {
		pos := int((m.taken+int64(i))%span) * Channels
		for c := range Channels {
			block[i*Channels+c] = limit(m.ring[pos+c])
			m.ring[pos+c] = 0
		}
	}
	at = time.Duration(m.taken/Rate)*time.Second + time.Duration(m.taken%Rate)*time.Second/Rate // without overflow
	m.taken += Block
	return at, true
}

// knee is from where on loud sound is made softer, so that the sum of many does not
// crackle.
const knee = 0.8

func limit(x float32) int16 {
	a := math.Abs(float64(x))
	if a > knee {
		a = knee + (1-knee)*math.Tanh((a-knee)/(1-knee))
	}
	return int16(math.Copysign(a, float64(x)) * math.MaxInt16)
}
