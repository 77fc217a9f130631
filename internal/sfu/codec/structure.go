package codec

// maxTemplates is how many a structure can have (appendix A.8.2).
const maxTemplates = 64

// maxTargets is how many decode targets it can have.
const maxTargets = 32

// maxLayers of each kind is more than encoders make.
const maxLayers = 8

// maxReferences is to how many frames one can refer: as many as AV1 and VP9 keep.
const maxReferences = 8

// Structure is what the template structure tells: which layers a frame with a
// certain template is of, what it is to decode targets, and which frames it refers
// to.
type Structure struct {
	// MaxSpatial is the highest spatial layer.
	MaxSpatial uint8
	// MaxTemporal is the highest temporal layer that TemporalOf returns.
	MaxTemporal uint8

	offset    uint8
	count     uint8
	templates [maxTemplates]template

	// targets is how many decode targets there are: sets of frames that can be
	// decoded without the others. forLayer has the one of which each temporal layer
	// is the highest, of a stream of one spatial layer.
	targets  uint8
	forLayer [MaxTemporal + 1]uint8

	whole bool   // what frames refer to is told, too
	end   uint16 // where it ends in the descriptor, in bits
	of    [maxTargets]target
}

// template has the layers of frames by their ids, what TemporalOf returns, and
// what they are to each decode target and refer to.
type template struct {
	spatial, temporal, least, switches uint8
	indications                        uint64 // two bits a target
	references                         references
}

// references are how many numbers before a frame those that it refers to are.
type references struct {
	n         uint8
	distances [maxReferences]uint16
}

func (r *references) add(distance uint32) (ok bool) {
	if r.n == maxReferences {
		return false
	}
	r.distances[r.n] = uint16(distance)
	r.n++
	return true
}

// target is a decode target: its layers are the highest of its frames.
type target struct {
	spatial, temporal uint8
	frames            uint64 // the templates that are part of it
}

// What a frame is to a decode target (appendix A.8): not part of it, or one that
// others of it refer to or not; switching is one after which all of it can be
// decoded.
const (
	notPresent = 0
	switching  = 2
)

// ParseStructure reads the template structure in a descriptor (appendix A.8.3). It
// is not ok if there is none or it is malformed; what is cut short behind the
// indications tells of layers alone.
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
		t := &s.templates[i]
		t.indications = r.indications(s.targets)
		t.least, t.switches = s.temporal(t.indications, t.temporal)
		s.MaxTemporal = max(s.MaxTemporal, t.least)
	}
	if r.short {
		return Structure{}, false
	}
	if s.whole = s.readDependencies(&r); s.whole {
		s.end = uint16(r.at)
		s.describeTargets()
	}
	return s, true
}

func (s *Structure) readLayers(r *bits) bool {
	var at template
	for s.count < maxTemplates {
		s.templates[s.count] = at
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
				highest[t] = max(highest[t], s.templates[i].temporal)
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

// temporal tells of a frame by its indications: the lowest temporal layer with
// whose frames it has to be sent, and the layers that can be entered at it. named
// is its layer by the ids, which counts if it is part of no decode target.
func (s *Structure) temporal(indications uint64, named uint8) (least, switches uint8) {
	least = MaxTemporal + 1
	for temporal, t := range s.forLayer {
		switch indications >> (2 * t) & 3 {
		case notPresent:
			continue
		case switching:
			switches |= 1 << temporal
		}
		least = min(least, uint8(temporal))
	}
	if least > MaxTemporal {
		least = min(named, MaxTemporal)
	}
	return least, switches
}

// readDependencies reads what the templates refer to, and passes over chains and
// resolutions: a frame that refers to what was not sent is known by its references.
func (s *Structure) readDependencies(r *bits) (ok bool) {
	for i := range s.count {
		for r.read(1) == 1 {
			if !s.templates[i].references.add(r.read(4) + 1) {
				return false
			}
		}
	}
	if chains := r.below(uint32(s.targets) + 1); chains > 0 {
		for range s.targets {
			r.below(chains)
		}
		r.skip(4 * int(chains) * int(s.count))
	}
	if r.read(1) == 1 {
		r.skip(32 * (int(s.MaxSpatial) + 1))
	}
	return !r.short
}

func (s *Structure) describeTargets() {
	for t := range s.targets {
		of := &s.of[t]
		for i := range s.count {
			if e := &s.templates[i]; e.indications>>(2*t)&3 != notPresent {
				of.frames |= 1 << i
				of.spatial, of.temporal = max(of.spatial, e.spatial), max(of.temporal, e.temporal)
			}
		}
	}
}

// Layer returns the layers of a frame by its template.
func (s *Structure) Layer(template uint8) (spatial, temporal uint8, ok bool) {
	t := s.template(template)
	if t == nil {
		return 0, 0, false
	}
	return t.spatial, t.temporal, true
}

// TemporalOf returns the temporal layer of a frame by its descriptor, in a stream
// of one spatial layer, and the layers that can be entered at it: Descriptor's
// Temporal and Switch. No frame of a lower layer refers to it.
func (s *Structure) TemporalOf(d DependencyDescriptor, b []byte) (temporal, switches uint8, ok bool) {
	t := s.template(d.Template)
	if t == nil {
		return 0, 0, false
	}
	// Behind a structure a frame's own are hard to find; it comes with key frames, at
	// which every layer can be entered anyway.
	if !d.Indications || d.Structure {
		return t.least, t.switches, true
	}
	r := bits{b: b, at: extendedSize}
	if d.ActiveTargets {
		r.skip(int(s.targets))
	}
	temporal, switches = s.temporal(r.indications(s.targets), t.temporal)
	return temporal, switches, !r.short
}

// template returns nil for one that is not there.
func (s *Structure) template(id uint8) *template {
	i := (id + maxTemplates - s.offset) % maxTemplates
	if i >= s.count {
		return nil
	}
	return &s.templates[i]
}
