package turn

import (
	"encoding/binary"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

const (
	// frameHeader and framePadding are of a ChannelData message (RFC 8656 §12.4, §12.5).
	frameHeader  = 4 // bytes
	framePadding = 4 // what the length is a multiple of

	// maxWrite is what a record of TLS takes (RFC 8446 §5.1), in bytes.
	maxWrite = 16 << 10
)

// records are what is written to streams at once: most have none but for a moment.
var records = sync.Pool{New: func() any { b := make([]byte, 0, maxWrite); return &b }}

// outlet is the way to the client of an allocation: what is put into channels leaves
// together. It belongs to the goroutine that reads the relay, which flushes it before it
// waits; so nothing is left in it when that ends.
type outlet struct {
	path   *transport.Path // immutable; over UDP
	stream *stream         // immutable; else; with neither there is no way

	batch  *transport.Batch // nil while nothing waits
	record *[]byte          // the same, of a stream
}

func (o *outlet) exists() bool { return o.path != nil || o.stream != nil }

// add puts a packet into a channel. What waits may be sent to make room.
func (o *outlet) add(channel uint16, b []byte) {
	n := (frameHeader + len(b) + framePadding - 1) &^ (framePadding - 1)
	if o.stream != nil {
		if o.record != nil && len(*o.record)+n > maxWrite {
			o.flush()
		}
		if o.record == nil {
			o.record = records.Get().(*[]byte)
		}
		at := len(*o.record)
		*o.record = (*o.record)[:at+n]
		frame((*o.record)[at:], channel, b)
		return
	}
	if o.batch == nil {
		o.batch = transport.BorrowWide()
	}
	frame(o.batch.Reserve(n), channel, b)
	o.batch.Add(o.path, n)
}

// frame fills to with a ChannelData message. Over UDP it needs no padding, but packets
// whose lengths differ by a byte are of one train with it.
func frame(to []byte, channel uint16, b []byte) {
	binary.BigEndian.PutUint16(to, channel)
	binary.BigEndian.PutUint16(to[2:], uint16(len(b)))
	clear(to[frameHeader+copy(to[frameHeader:], b):])
}

// flush sends what waits. A stream that takes nothing is closed by that; what else is
// lost, is as any packet may be.
func (o *outlet) flush() {
	if o.batch != nil {
		o.batch.Return()
		o.batch = nil
	}
	if o.record != nil {
		_, _ = o.stream.Write(*o.record)
		*o.record = (*o.record)[:0]
		records.Put(o.record)
		o.record = nil
	}
}
