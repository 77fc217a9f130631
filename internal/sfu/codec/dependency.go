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
	}
	return d, true
}

// maxTemplates is how many a structure can have (appendix A.8.2).
const maxTemplates = 64

// maxTargets is how many decode targets it can have.
const maxTargets = 32

// maxLayers of each kind is more than encoders make.
const maxLayers = 8

// Structure is what the template structure tells of layers: which of them a
// frame with a certain template is of.
type Structure struct {
	// MaxSpatial is the highest spatial layer.
	MaxSpatial uint8
	// MaxTemporal is the highest temporal layer that TemporalOf returns.
	MaxTemporal uint8

	offset uint8
	count  uint8
	layers [maxTemplates]templateLayers

	// targets is how many decode targets there are: sets of frames that can be
	// decoded without the others. forLayer has the one of which each temporal layer
	// is the highest.
	targets  uint8
	forLayer [MaxTemporal + 1]uint8
}

// templateLayers are those of a template by their ids, and what TemporalOf returns.
type templateLayers struct{ spatial, temporal, least, switches uint8 }

// What a frame is to a decode target (appendix A.8): not part of it, or one that
// others of it refer to or not; switching is one after which all of it can be
// decoded.
const (
	notPresent = 0
	switching  = 2
)

// ParseStructure reads the layers of the template structure in a descriptor, and
// what its templates are to decode targets (appendix A.8.3.3). It is not ok if
// there is none or it is malformed.
func ParseStructure(b []byte) (s Structure, ok bool) {
	if d, ok := ParseDependencyDescriptor(b); !ok || !d.Structure {
		return s, false
	}
	r := bits{b: b, at: extendedSize}
	s.offset = uint8(r.read(6))
	s.targets = uint8(r.read(5)) + 1
	if !s.readLayers(&r) {
		return Structure{}, false
	}
	s.chooseTargets(r)
	for i := range s.count {
		t := &s.layers[i]
		t.least, t.switches = s.readIndications(&r, t.temporal)
		s.MaxTemporal = max(s.MaxTemporal, t.least)
	}
	if r.short {
		return Structure{}, false
	}
	return s, true
}

func (s *Structure) readLayers(r *bits) bool {
	var at templateLayers
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
			return !r.short
		}
		if r.short || at.spatial >= maxLayers || at.temporal >= maxLayers {
			break
		}
	}
	return false
}

// chooseTargets finds, by the indications at r, the decode target for each temporal
// layer: the one that has as many of the layers up to it. The highest layer has the
// one with the most.
func (s *Structure) chooseTargets(r bits) {
	var highest [maxTargets]uint8 // temporal layer of each target
	for i := range s.count {
		for t := range s.targets {
			if r.read(2) != notPresent {
				highest[t] = max(highest[t], s.layers[i].temporal)
			}
		}
	}
	least := uint8(0)
	for t := range s.targets {
		if highest[t] < highest[least] {
			least = t
		}
	}
	for temporal := range s.forLayer {
		best := least
		for t := range s.targets {
			if (int(highest[t]) <= temporal || temporal == MaxTemporal) && highest[t] > highest[best] {
				best = t
			}
		}
		s.forLayer[temporal] = best
	}
}

// readIndications reads those of one frame: the lowest temporal layer with whose
// frames it has to be sent, and the layers that can be entered at it. named is its
// layer by the ids, which counts if it is part of no decode target.
func (s *Structure) readIndications(r *bits, named uint8) (least, switches uint8) {
	var all [maxTargets]uint8
	for t := range s.targets {
		all[t] = uint8(r.read(2))
	}
	least = MaxTemporal + 1
	for temporal, t := range s.forLayer {
		if all[t] != notPresent {
			least = min(least, uint8(temporal))
		}
		if all[t] == switching {
			switches |= 1 << temporal
		}
	}
	if least > MaxTemporal {
		least = min(named, MaxTemporal)
	}
	return least, switches
}

// Layer returns the layers of a frame by its template.
func (s *Structure) Layer(template uint8) (spatial, temporal uint8, ok bool) {
	i := (template + maxTemplates - s.offset) % maxTemplates
	if i >= s.count {
		return 0, 0, false
	}
	return s.layers[i].spatial, s.layers[i].temporal, true
}

// TemporalOf returns the temporal layer of a frame by its descriptor, in a stream
// of one spatial layer, and the layers that can be entered at it: Descriptor's
// Temporal and Switch. No frame of a lower layer refers to it.
func (s *Structure) TemporalOf(d DependencyDescriptor, b []byte) (temporal, switches uint8, ok bool) {
	i := (d.Template + maxTemplates - s.offset) % maxTemplates
	if i >= s.count {
		return 0, 0, false
	}
	t := &s.layers[i]
	// Behind a structure a frame's own are hard to find; it comes with key frames, at
	// which every layer can be entered anyway.
	if !d.Indications || d.Structure {
		return t.least, t.switches, true
	}
	r := bits{b: b, at: extendedSize}
	if d.ActiveTargets {
		r.at += int(s.targets)
	}
	temporal, switches = s.readIndications(&r, t.temporal)
	return temporal, switches, !r.short
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
