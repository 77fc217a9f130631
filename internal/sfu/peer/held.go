package peer

import (
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// heldRoom is what a packet may become longer by on its way through: extensions of ours,
// and the number of one that is sent again.
const heldRoom = 128

// held is a packet that waits.
type held struct {
	next    *held
	to      *numbered
	size    int       // bytes, as they are counted
	since   time.Time // when it came
	header  rtp.Header
	payload []byte
	buf     [uptrack.MaxPacket + heldRoom]byte
}

var heldPackets = sync.Pool{New: func() any { return new(held) }}

// fill copies a packet. It reports false if that does not fit.
func (f *held) fill(h *rtp.Header, payload []byte) bool {
	n := h.MarshalSize()
	if n+len(payload) > len(f.buf) {
		return false
	}
	if _, err := h.MarshalTo(f.buf[:]); err != nil {
		return false
	}
	if _, err := f.header.Unmarshal(f.buf[:n]); err != nil {
		return false
	}
	f.header.PaddingSize = h.PaddingSize
	f.payload = f.buf[n : n+copy(f.buf[n:], payload)]
	return true
}

// free gives it back.
func (f *held) free() {
	f.next, f.to, f.payload = nil, nil, nil
	heldPackets.Put(f)
}

// heldQueue is packets in the order in which they came.
type heldQueue struct{ first, last *held }

func (q *heldQueue) add(f *held) {
	if q.first == nil {
		q.first, q.last = f, f
		return
	}
	q.last.next = f
	q.last = f
}

// remove takes one out, where before is the one before it, nil for the first.
func (q *heldQueue) remove(f, before *held) {
	if before == nil {
		q.first = f.next
	} else {
		before.next = f.next
	}
	if q.last == f {
		q.last = before
	}
}
