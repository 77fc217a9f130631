package codec

import "encoding/binary"

// DependencyDescriptor is the mandatory part of the descriptor (AV1 RTP
// specification, appendix A.8.1), and whether a template structure follows.
type DependencyDescriptor struct {
	StartOfFrame bool
	EndOfFrame   bool
	Template     uint8 // 6 bits
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
	d.Template = b[0] & 0x3f
	d.FrameNumber = binary.BigEndian.Uint16(b[FrameNumberOffset:])
	d.Structure = len(b) > 3 && b[3]&0x80 != 0
	return d, true
}

// maxTemplates is how many a structure can have (appendix A.8.2).
const maxTemplates = 64

// maxLayers of each kind is more than encoders make.
const maxLayers = 8

// Structure is what the template structure tells of layers: which of them a
// frame with a certain template is of.
type Structure struct {
	// MaxSpatial is the highest spatial layer.
	MaxSpatial uint8

	offset uint8
	count  uint8
	layers [maxTemplates]layerIDs
}

type layerIDs struct{ spatial, temporal uint8 }

// ParseStructure reads the layers of the template structure in a descriptor
// (appendix A.8.3.3). It is not ok if there is none or it is malformed.
func ParseStructure(b []byte) (s Structure, ok bool) {
	if d, ok := ParseDependencyDescriptor(b); !ok || !d.Structure {
		return s, false
	}
	r := bits{b: b, at: 8*3 + 5} // behind the mandatory fields and five flags
	s.offset = uint8(r.read(6))
	r.read(5) // decode targets, less 1
	var at layerIDs
	for s.count < maxTemplates {
		s.layers[s.count] = at
		s.count++
		s.MaxSpatial = max(s.MaxSpatial, at.spatial)
		switch r.read(2) {
		case 1:
			at.temporal++
		case 2:
			at.temporal = 0
			at.spatial++
		case 3:
			return s, true
		}
		if r.short || at.spatial >= maxLayers || at.temporal >= maxLayers {
			break
		}
	}
	return Structure{}, false
}

// Layer returns the layers of a frame by its template.
func (s *Structure) Layer(template uint8) (spatial, temporal uint8, ok bool) {
	i := (template + maxTemplates - s.offset) % maxTemplates
	if i >= s.count {
		return 0, 0, false
	}
	return s.layers[i].spatial, s.layers[i].temporal, true
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
