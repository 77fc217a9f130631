package layer

import "time"

// A layer is dead when nothing came from it for Silence while another layer
// went on for silentFrames frames. Silence alone says little: a still screen
// share is silent on all layers, and the first to speak again must not make
// the others look dead.
const (
	Silence      = time.Second
	silentFrames = 3
)

// Liveness tells which layers of a track are live. Its owner guards it.
type Liveness struct {
	live   uint8
	seen   [Max]time.Time
	behind [Max][Max]uint8 // behind[l][m]: frames of m since the last of l
}

// Frame notes that layer l began a frame, and returns the live layers.
func (v *Liveness) Frame(l int, now time.Time) (live uint8) {
	v.live |= 1 << l
	v.seen[l] = now
	v.behind[l] = [Max]uint8{}
	for m := range Max {
		if m == l || v.live&(1<<m) == 0 {
			continue
		}
		if v.behind[m][l] < silentFrames {
			v.behind[m][l]++
		}
		if v.behind[m][l] == silentFrames && now.Sub(v.seen[m]) >= Silence {
			v.live &^= 1 << m
		}
	}
	return v.live
}

// End notes that a layer's stream has ended.
func (v *Liveness) End(l int) (live uint8) {
	v.live &^= 1 << l
	return v.live
}
