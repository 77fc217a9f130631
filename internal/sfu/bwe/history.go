package bwe

import (
	"sync/atomic"
	"time"
)

// historySize is how many packets on their way are remembered: two seconds of
// ten megabits.
const historySize = 2048

// tick is the resolution of sending times. 32 bits of it last for hours.
const tick = 4 * time.Microsecond

// History numbers the packets of a connection and remembers when they were
// sent. Make it with NewHistory.
type History struct {
	epoch time.Time // immutable
	next  atomic.Uint32
	paced atomic.Bool // here, since each packet reads what is around it
	bytes atomic.Uint64
	slots [historySize]atomic.Uint64 // number:16 | missing:1 | size:15 | ticks:32; 0 = empty
}

const (
	missing = 1 << 47
	maxSize = 1<<15 - 1
)

// NewHistory returns a History that counts time from epoch, as its user does.
func NewHistory(epoch time.Time) *History { return &History{epoch: epoch} }

// Epoch returns the zero of the times that Sent takes.
func (h *History) Epoch() time.Time { return h.epoch }

// Sent notes a packet of so many bytes, sent so long after the epoch, and
// returns its transport-wide sequence number. It may be called concurrently.
func (h *History) Sent(size int, at time.Duration) uint16 {
	seq := uint16(h.next.Add(1) - 1)
	size = min(max(size, 1), maxSize)
	ticks := uint32(at / tick)
	h.slots[seq%historySize].Store(uint64(seq)<<48 | uint64(size)<<32 | uint64(ticks))
	h.bytes.Add(uint64(size))
	return seq
}

// Paced reports whether packets are held back on their way, so that they do not go in
// bursts.
func (h *History) Paced() bool { return h.paced.Load() }

// SetPaced says whether they are.
func (h *History) SetPaced(paced bool) { h.paced.Store(paced) }

// Next returns the number of the next packet, and the bytes sent before it.
func (h *History) Next() (seq uint16, bytes uint64) {
	return uint16(h.next.Load()), h.bytes.Load()
}

// when returns a packet's sending time, since the epoch. Packets are reported
// long before ticks repeat.
func (h *History) when(ticks uint32, now time.Time) time.Duration {
	present := now.Sub(h.epoch) / tick
	return (present - time.Duration(uint32(present)-ticks)) * tick
}

// take removes a packet that was received, so that it is counted once however
// often it is reported, and says whether it was reported missing before.
func (h *History) take(seq uint16) (size int, ticks uint32, late, ok bool) {
	slot := &h.slots[seq%historySize]
	e := slot.Load()
	if e == 0 || uint16(e>>48) != seq || !slot.CompareAndSwap(e, 0) {
		return 0, 0, false, false
	}
	return int(e >> 32 & maxSize), uint32(e), e&missing != 0, true
}

// miss notes that a packet is reported missing. It is not ok the second time.
func (h *History) miss(seq uint16) (ok bool) {
	slot := &h.slots[seq%historySize]
	e := slot.Load()
	return e != 0 && uint16(e>>48) == seq && e&missing == 0 && slot.CompareAndSwap(e, e|missing)
}
