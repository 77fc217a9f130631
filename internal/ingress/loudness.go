package ingress

import (
	"math"

	"github.com/thesyncim/gopus"
)

const (
	meterRate = 48_000
	// longestPacket is how much sound a packet of Opus can hold (RFC 6716 §3.2.5): 120 ms.
	longestPacket = meterRate * 120 / 1000
	quietest      = 127
)

// A loudness hears how loud packets of Opus are. One goroutine at a time may use it.
type loudness struct {
	decoder *gopus.Decoder // nil: packets cannot be heard
	pcm     []float32
}

func newLoudness() *loudness {
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(meterRate, 1))
	if err != nil {
		return &loudness{}
	}
	return &loudness{decoder: decoder, pcm: make([]float32, longestPacket)}
}

// of is the level of a packet in -dBov (RFC 6464 §3), if it can be decoded.
func (l *loudness) of(packet []byte) (level uint8, ok bool) {
	if l.decoder == nil || len(packet) == 0 {
		return 0, false
	}
	defer func() {
		// What an encoder sends is decoded within the server: a decoder that cannot bear
		// it costs the level, not the rooms.
		if recover() != nil {
			l.decoder, level, ok = nil, 0, false
		}
	}()
	n, err := l.decoder.Decode(packet, l.pcm)
	if err != nil || n <= 0 {
		return 0, false
	}
	return levelOf(l.pcm[:n]), true
}

// levelOf is that of samples from -1 to 1: 0 is a square wave as loud as can be, 127
// silence.
func levelOf(pcm []float32) uint8 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if db := -10 * math.Log10(sum/float64(len(pcm))); db < quietest { // not for NaN
		return uint8(max(math.Round(db), 0))
	}
	return quietest
}
