package seqmap

import (
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"
)

// History remembers for the last packets sent where they came from, and when
// each was last sent again.
type History struct {
	mask    uint16
	entries []atomic.Uint64 // present:1 | note:7 | tag:8 | down:16 | up:32
	resent  []atomic.Uint64 // present:1 | times:4 | down:16 | milliseconds since the epoch of the caller:32
}

// NewHistory returns a History of at least size packets.
func NewHistory(size int) *History {
	size = 1 << bits.Len(uint(min(max(size, 16), 1<<15)-1))
	return &History{
		mask:    uint16(size - 1),
		entries: make([]atomic.Uint64, size),
		resent:  make([]atomic.Uint64, size),
	}
}

const present = 1 << 63

// NoteMask is what of a note is kept.
const NoteMask = 1<<7 - 1

// Put notes that down was made from up; tag and the 7 bits of note are the
// caller's.
func (h *History) Put(down uint16, up uint32, tag, note uint8) {
	i := down & h.mask
	h.entries[i].Store(present | uint64(note&NoteMask)<<56 | uint64(tag)<<48 | uint64(down)<<32 | uint64(up))
}

// Next is where Put writes for down.
func (h *History) Next(down uint16) unsafe.Pointer {
	if len(h.entries) == 0 {
		return nil
	}
	return unsafe.Pointer(&h.entries[down&h.mask])
}

// Lookup returns what Put noted for down.
func (h *History) Lookup(down uint16) (up uint32, tag, note uint8, ok bool) {
	e := h.entries[down&h.mask].Load()
	if e&present == 0 || uint16(e>>32) != down {
		return 0, 0, 0, false
	}
	return uint32(e), uint8(e >> 48), uint8(e>>56) & NoteMask, true
}

// MaxResends is how often a packet may be sent again: as often as receivers that are built
// as browsers ask for it.
const MaxResends = 10

// maxAge is how long nobody asks for a packet before it is another one of the same number:
// those come round after 65,536.
const maxAge = 5 * time.Second

// Resend reports whether down may be sent again: it was not MaxResends times, and the
// last time was at least interval before at, a time since an epoch of the caller's. It
// notes at.
func (h *History) Resend(down uint16, at, interval time.Duration) bool {
	r := &h.resent[down&h.mask]
	now := uint32(max(at.Milliseconds(), 0))
	last := r.Load()
	ago := time.Duration(now-uint32(last)) * time.Millisecond
	times := uint64(0)
	if last&present != 0 && uint16(last>>32) == down && ago < maxAge {
		if times = last >> 48 & 0xf; times >= MaxResends || ago < interval {
			return false
		}
	}
	return r.CompareAndSwap(last, present|(times+1)<<48|uint64(down)<<32|uint64(now))
}
