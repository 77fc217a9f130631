package srtp

const (
	// windowSize is how far back packets are taken (RFC 3711 §3.3.2 wants 64 or
	// more). Retransmissions without RTX come with their old number, and about a
	// second late at most.
	windowSize = 1024
	// maxWindows bounds the SSRCs that a client can make us remember.
	maxWindows = 512
)

// window remembers which indices of one SSRC were received.
type window struct {
	highest uint64
	bits    [windowSize / 64]uint64 // by index modulo windowSize
	used    uint64
}

func (w *window) has(index uint64) bool {
	if index > w.highest {
		return false
	}
	if w.highest-index >= windowSize {
		return true // too old to tell
	}
	return w.bits[index%windowSize/64]&(1<<(index%64)) != 0
}

func (w *window) add(index uint64) {
	if index > w.highest {
		if index-w.highest >= windowSize {
			clear(w.bits[:])
		} else {
			for i := w.highest + 1; i < index; i++ {
				w.bits[i%windowSize/64] &^= 1 << (i % 64)
			}
		}
		w.highest = index
	}
	w.bits[index%windowSize/64] |= 1 << (index % 64)
}

// windows are the windows of a connection by SSRC.
type windows struct {
	bySSRC map[uint32]*window
	latest *window // of the packet before
	ssrc   uint32  // its
	clock  uint64
}

// find returns the window of an SSRC, nil if nothing of it was authentic yet.
func (ws *windows) find(ssrc uint32) *window {
	if ws.latest != nil && ws.ssrc == ssrc {
		return ws.latest
	}
	return ws.bySSRC[ssrc]
}

// note remembers an authentic packet. w is what find returned.
func (ws *windows) note(w *window, ssrc uint32, index uint64) {
	ws.clock++
	if w == nil {
		if len(ws.bySSRC) >= maxWindows {
			ws.evict()
		}
		if ws.bySSRC == nil {
			ws.bySSRC = map[uint32]*window{}
		}
		w = &window{highest: index}
		ws.bySSRC[ssrc] = w
	}
	w.add(index)
	w.used = ws.clock
	ws.latest, ws.ssrc = w, ssrc
}

// evict forgets the SSRC that was silent for longest.
func (ws *windows) evict() {
	var oldest *window
	var at uint32
	for ssrc, w := range ws.bySSRC {
		if oldest == nil || w.used < oldest.used {
			oldest, at = w, ssrc
		}
	}
	delete(ws.bySSRC, at)
	ws.latest = nil
}
