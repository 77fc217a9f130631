package codec

import "encoding/binary"

// startsAV1 reads the aggregation header of the AV1 RTP specification §4.4:
// N marks the first packet of a coded video sequence, which begins with a key
// frame; Z would make it a continuation.
func startsAV1(b []byte) bool {
	return len(b) > 1 && b[0]&0x08 != 0 && b[0]&0x80 == 0
}

// DependencyDescriptor is the mandatory part of the descriptor (AV1 RTP
// specification, appendix A.8.1), and whether a template structure follows.
type DependencyDescriptor struct {
	StartOfFrame bool
	EndOfFrame   bool
	FrameNumber  uint16
	Structure    bool
}

// Keyframe reports whether a frame begins that carries the structure, which
// senders attach to key frames and to nothing else.
func (d DependencyDescriptor) Keyframe() bool { return d.StartOfFrame && d.Structure }

// FrameNumberOffset is where the 16 bits of the frame number are.
const FrameNumberOffset = 1

// ParseDependencyDescriptor reads the payload of the header extension.
func ParseDependencyDescriptor(b []byte) (d DependencyDescriptor, ok bool) {
	if len(b) < 3 {
		return d, false
	}
	d.StartOfFrame = b[0]&0x80 != 0
	d.EndOfFrame = b[0]&0x40 != 0
	d.FrameNumber = binary.BigEndian.Uint16(b[FrameNumberOffset:])
	d.Structure = len(b) > 3 && b[3]&0x80 != 0
	return d, true
}
