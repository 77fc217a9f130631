package layer

// Spatial chooses what is sent of a stream that has its spatial layers inside
// it, each made from the one below: the layers up to the target. A layer is left
// at any picture and entered at a key frame. Its owner guards it. The zero value
// has seen nothing.
type Spatial struct {
	begun   bool
	current int    // highest layer that is sent
	picture uint32 // timestamp of the picture last decided on
	asks    bool   // a higher layer waits for a key frame
}

// Keep decides on a packet of a spatial layer; packets come in order. key is set
// on the first packet of a key frame. ask says that a key frame is needed to
// reach the target.
func (s *Spatial) Keep(timestamp uint32, spatial int, key bool, target int) (keep, ask bool) {
	switch {
	case !s.begun || key:
		s.begun, s.picture, s.current, s.asks = true, timestamp, target, false
	case timestamp != s.picture:
		s.picture = timestamp
		s.current = min(s.current, target)
		s.asks = target > s.current
	}
	if spatial > s.current {
		return false, s.asks
	}
	return true, false
}

// Current is the highest layer that is sent.
func (s *Spatial) Current() int { return s.current }
