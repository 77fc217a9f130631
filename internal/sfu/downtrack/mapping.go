package downtrack

import (
	"encoding/binary"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// mappings is how many of the last mappings NACKs can refer to.
const mappings = 16

// mapping is how one run of packets was rewritten. It is immutable. All of it
// are offsets, so that a retransmission is rewritten as the original was.
type mapping struct {
	tag       uint8
	layer     int
	ssrc      uint32
	base      uint64 // first sequence number, of the publisher
	timestamp uint32
	pictureID uint16
	tl0       uint8
	keyIdx    uint8
	dd        uint16
}

// rewrite changes the counters in p's payload and extensions in place, which
// saves each subscriber a copy of the packet; restore puts them back.
// dropped is how many pictures were left out before it.
func (m *mapping) rewrite(p *uptrack.Packet, dropped uint16) {
	if m.pictureID != dropped || m.tl0 != 0 || m.keyIdx != 0 {
		c := p.Descriptor
		c.PictureID = (c.PictureID + m.pictureID - dropped) & c.PictureIDMask()
		c.TL0 += m.tl0
		c.KeyIdx += m.keyIdx
		c.Put(p.Payload)
	}
	if m.dd != 0 && p.DependencyDescriptor != nil {
		binary.BigEndian.PutUint16(p.DependencyDescriptor[codec.FrameNumberOffset:], p.FrameNumber+m.dd)
	}
}

func (m *mapping) restore(p *uptrack.Packet, dropped uint16) {
	if m.pictureID != dropped || m.tl0 != 0 || m.keyIdx != 0 {
		p.Descriptor.Put(p.Payload)
	}
	if m.dd != 0 && p.DependencyDescriptor != nil {
		binary.BigEndian.PutUint16(p.DependencyDescriptor[codec.FrameNumberOffset:], p.FrameNumber)
	}
}

// setExtensions copies the mapped extensions that p has, and leaves room for
// the transport-wide sequence number in stamp.
func setExtensions(h *rtp.Header, b *Binding, p *uptrack.Packet, stamp *[2]byte) {
	profile := uint16(rtp.ExtensionProfileOneByte)
	found := b.SequenceExt != 0
	if b.SequenceExt > 14 {
		profile = rtp.ExtensionProfileTwoByte
	}
	for _, e := range b.Extensions {
		if data := p.Extension(e.From); data != nil {
			found = true
			if e.To > 14 || len(data) > 16 || len(data) == 0 {
				profile = rtp.ExtensionProfileTwoByte
			}
		}
	}
	if !found {
		return
	}
	h.Extension, h.ExtensionProfile = true, profile
	for _, e := range b.Extensions {
		if data := p.Extension(e.From); data != nil {
			_ = h.SetExtension(e.To, data) // fails for ids out of range only
		}
	}
	if b.SequenceExt != 0 {
		_ = h.SetExtension(b.SequenceExt, stamp[:])
	}
}
