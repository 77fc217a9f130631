package codec

import "encoding/binary"

// DependencyDescriptor is the mandatory part of the descriptor (AV1 RTP
// specification, appendix A.8.1), and what follows it of what is looked at.
type DependencyDescriptor struct {
	StartOfFrame  bool
	EndOfFrame    bool
	Template      uint8 // 6 bits
	FrameNumber   uint16
	Structure     bool // of templates
	ActiveTargets bool // which decode targets there are at present
	Indications   bool // the frame's own for decode targets, not those of its template
	Distances     bool // the frame's own to those that it refers to
}

// Keyframe reports whether a frame begins that carries the structure, which
// senders attach to key frames and to nothing else.
func (d DependencyDescriptor) Keyframe() bool { return d.StartOfFrame && d.Structure }

// extendedSize is how many bits are before what the flags of the extended part
// announce: three bytes and those flags.
const extendedSize = 8*3 + 5

// FrameNumberOffset is where the 16 bits of the frame number are.
const FrameNumberOffset = 1

// ParseDependencyDescriptor reads the payload of the header extension.
func ParseDependencyDescriptor(b []byte) (d DependencyDescriptor, ok bool) {
	if len(b) < 3 {
		return d, false
	}
	d.StartOfFrame = b[0]&0x80 != 0
	d.EndOfFrame = b[0]&0x40 != 0
	d.Template = b[0] & 0x3f
	d.FrameNumber = binary.BigEndian.Uint16(b[FrameNumberOffset:])
	if len(b) > 3 {
		d.Structure = b[3]&0x80 != 0
		d.ActiveTargets = b[3]&0x40 != 0
		d.Indications = b[3]&0x20 != 0
		d.Distances = b[3]&0x10 != 0
	}
	return d, true
}

// bits reads numbers of some bits, the highest first.
type bits struct {
	b     []byte
	at    int
	short bool // it was read beyond the end
}

func (r *bits) read(n int) (v uint32) {
	for range n {
		if r.at/8 >= len(r.b) {
			r.short = true
			return 0
		}
		v = v<<1 | uint32(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}

func (r *bits) skip(n int) {
	r.at += n
	r.short = r.short || r.at > 8*len(r.b)
}

// indications reads those of one frame, for all targets: two bits each, those of
// the first target lowest.
func (r *bits) indications(targets uint8) (all uint64) {
	for t := range targets {
		all |= uint64(r.read(2)) << (2 * t)
	}
	return all
}

// below reads a number below n, of as many bits as it takes (appendix A.8.1, ns(n)).
func (r *bits) below(n uint32) uint32 {
	w := 0
	for x := n; x != 0; x >>= 1 {
		w++
	}
	short := uint32(1)<<w - n
	v := r.read(w - 1)
	if v < short {
		return v
	}
	return v<<1 - short + r.read(1)
}
