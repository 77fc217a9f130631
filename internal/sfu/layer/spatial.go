package layer

// Spatial chooses what is sent of a stream that has its spatial layers inside it,
// each made from the one below: the layers up to the target, but those below that
// nothing above refers to. A layer is left for one that was sent with it at any
// picture; any other is entered at a key frame. Its owner guards it. The zero value
// has seen nothing.
type Spatial struct {
	begun   bool
	current int       // highest layer that is sent
	picture uint32    // timestamp of the picture last decided on
	keys    [2]uint32 // timestamps of the last key frames
	asks    bool      // another layer waits for a key frame

	// Masks of layers: of which there are parts that nothing above refers to, of which
	// one was sent of this picture, and of which not all was sent since the key frame.
	alone, sent, gaps uint8
}

// Part is what Spatial must know of a layer's part of a picture.
type Part struct {
	Timestamp uint32
	Spatial   int
	// Alone is set if no layer above refers to it.
	Alone bool
	// Key is set on the first packet of a key frame.
	Key bool
}

// Keep decides on a packet of a part; packets come in order. ask says that a key
// frame is needed to reach the target.
func (s *Spatial) Keep(p Part, target int) (keep, ask bool) {
	bit := uint8(1) << p.Spatial
	if !s.begun {
		s.alone = 1<<Max - 1 // as far as is known
	}
	switch {
	case !s.begun || p.Key:
		*s = Spatial{
			begun: true, current: target, picture: p.Timestamp, keys: [2]uint32{p.Timestamp, s.keys[0]}, alone: s.alone,
		}
	case p.Timestamp != s.picture:
		if s.picture != s.keys[0] {
			s.gaps |= s.alone &^ s.sent // what is late will not be sent
		}
		s.picture, s.sent = p.Timestamp, 0
		if target < s.current && s.gaps&(1<<target) == 0 {
			s.current = target
		}
		s.asks = target != s.current
	}
	if p.Alone {
		s.alone |= bit
	} else if p.Timestamp != s.keys[0] {
		s.alone &^= bit
	}
	if keep = s.Sends(p, s.current); keep {
		s.sent |= bit
	} else {
		s.gaps |= bit
	}
	return keep, s.asks
}

// Sends reports whether a part is sent when that layer is the highest. Of a key
// frame all below it are, as it says what follows.
func (s *Spatial) Sends(p Part, spatial int) bool {
	return p.Spatial == spatial || p.Spatial < spatial && (!p.Alone || p.Timestamp == s.keys[0] || p.Timestamp == s.keys[1])
}

// Current is the highest layer that is sent.
func (s *Spatial) Current() int { return s.current }
