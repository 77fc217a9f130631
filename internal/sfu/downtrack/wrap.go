package downtrack

import (
	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// noteWrapped is noted in the history of packets that went with the one before: sent
// again, they have to be the same, or one number of SRTP would be of two texts.
const noteWrapped = 1

// sendWrapped sends a packet with the one before it, if that belongs to what the
// subscriber is sent, and else bare.
func (f *forwarder) sendWrapped(d *DownTrack, b *Binding, p *uptrack.Packet) {
	payload := p.Payload
	if p.Redundant != nil && p.Seq > f.m.base {
		codec.SetPrimary(p.Redundant, b.PrimaryPayloadType)
		p.Payload = p.Redundant
	} else {
		p.Plain = true
	}
	f.sendAsIs(d, b, p)
	p.Payload, p.Plain = payload, false
}

// rewrapper makes a packet again that went with the one before it. Its buffers exist
// once one was asked for.
type rewrapper struct {
	buf    []byte // the packet before, from the cache
	before uptrack.Packet
	whole  []byte
}

// wrap reports false if the packet before p is no longer held.
func (r *rewrapper) wrap(src Source, b *Binding, p *uptrack.Packet) bool {
	if r.buf == nil {
		r.buf = make([]byte, uptrack.MaxPacket)
	}
	if !src.Retrieve(p.Layer, p.Seq-1, r.buf, &r.before) {
		return false
	}
	r.whole = codec.AppendRED(r.whole[:0], p.Timestamp-r.before.Timestamp, r.before.Payload, p.Payload)
	codec.SetPrimary(r.whole, b.PrimaryPayloadType)
	p.Payload = r.whole
	return true
}
