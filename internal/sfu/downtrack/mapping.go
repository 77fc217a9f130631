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

// tell returns the dependency descriptor of p as it is when those decode targets
// are active, made in out; nil if none are told, or it would be too long.
func tell(p *uptrack.Packet, active uint32, out *uptrack.Out) []byte {
	if active == 0 {
		return nil
	}
	dd, _ := codec.ParseDependencyDescriptor(p.DependencyDescriptor)
	told := p.Structure.AppendActive(out.Descriptor[:0], dd, p.DependencyDescriptor, active)
	if len(told) > maxExtension {
		return nil
	}
	return told
}

// maxExtension is how long a header extension can be (RFC 8285 §4.3).
const maxExtension = 255

// setExtensions copies the mapped extensions that p has, descriptor in place of
// its dependency descriptor unless it is nil, and leaves room for the transport-wide
// sequence number in stamp.
func setExtensions(h *rtp.Header, b *Binding, p *uptrack.Packet, descriptor []byte, stamp *[2]byte) {
	extension := func(id uint8) []byte {
		data := p.Extension(id)
		if descriptor != nil && len(data) > 0 && &data[0] == &p.DependencyDescriptor[0] {
			return descriptor
		}
		return data
	}
	profile := uint16(rtp.ExtensionProfileOneByte)
	found := b.SequenceExt != 0
	if b.SequenceExt > 14 {
		profile = rtp.ExtensionProfileTwoByte
	}
	for _, e := range b.Extensions {
		if data := extension(e.From); data != nil {
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
		if data := extension(e.From); data != nil {
			_ = h.SetExtension(e.To, data) // fails for ids out of range only
		}
	}
	if b.SequenceExt != 0 {
		_ = h.SetExtension(b.SequenceExt, stamp[:])
	}
}
