package layer

import "math/bits"

// AllTemporal is the highest temporal layer that VP8 can name.
const AllTemporal = 3

// Temporal chooses the frames of a stream that are sent, by their temporal
// layer: those up to the target, where a higher layer is entered at frames
// that allow it only. Frames of a dropped layer are referred to by none of the
// layers below. Its owner guards it. The zero value has seen nothing.
type Temporal struct {
	begun   bool
	current int    // highest layer that is sent
	frame   uint32 // timestamp of the frame last decided on
	keep    bool   // the decision
	waited  int    // frames since a higher layer was wanted
}

// maxWait is how many frames may pass without one at which a higher layer can
// be entered. Encoders make such frames all the time, or never.
const maxWait = 64

// Frame is what Temporal must know of a frame.
type Frame struct {
	Timestamp uint32
	Temporal  int
	// Sync is set if the frame refers to none of its own temporal layer.
	Sync bool
	// Switch has bit t set if all layers up to t can be decoded from this frame on,
	// given that this one can be.
	Switch uint8
	Key    bool
}

// Keep decides on a packet of a frame; packets come in order. ask says that a
// key frame is needed to reach the target.
func (t *Temporal) Keep(f Frame, target int) (keep, ask bool) {
	switch {
	case !t.begun || f.Key:
		// Everything that follows a key frame can be decoded.
		t.begun, t.current, t.waited = true, target, 0
	case f.Timestamp == t.frame:
		return t.keep, false
	}
	t.frame = f.Timestamp
	t.current = min(t.current, target)
	switch {
	case f.Temporal <= t.current:
		t.keep = true
		if up := bits.Len8(f.Switch&(2<<target-1)) - 1; up > t.current {
			t.current, t.waited = up, 0
		}
	case f.Temporal == t.current+1 && f.Temporal <= target && f.Sync:
		t.current, t.keep, t.waited = f.Temporal, true, 0
	default:
		t.keep = false
		if f.Temporal <= target {
			if t.waited++; t.waited >= maxWait {
				t.waited, ask = 0, true
			}
		}
	}
	return t.keep, ask
}

// Current is the highest layer that is sent.
func (t *Temporal) Current() int { return t.current }
