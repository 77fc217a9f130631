package codec

// Frame is what its descriptor tells of a frame in a stream with spatial layers,
// and of the packet that has the descriptor.
type Frame struct {
	Spatial, Temporal uint8 // layers
	Starts, Ends      bool  // the packet is the first of the frame, or the last
	Structure         bool  // the packet has one
	// Active is the mask of the decode targets that the sender says it makes from here
	// on, 0 if it does not say.
	Active uint32

	indications uint64 // two bits a target
	references  references
}

// Key reports whether the frame begins everything anew.
func (f *Frame) Key() bool { return f.Structure && f.references.n == 0 }

// In reports whether the frame is part of a decode target.
func (f *Frame) In(target int) bool { return f.indications>>(2*target)&3 != notPresent }

// Switches reports whether all of a decode target that follows can be decoded if
// the frame can be.
func (f *Frame) Switches(target int) bool { return f.indications>>(2*target)&3 == switching }

// References returns how many numbers before the frame those are that it refers to.
func (f *Frame) References() []uint16 { return f.references.distances[:f.references.n] }

// Frame reads what the descriptor d in b tells, under the structure in force:
// that in b, if it has one. It is not ok if the template is not there, b is cut
// short or the structure does not say what frames refer to.
func (s *Structure) Frame(d DependencyDescriptor, b []byte, f *Frame) (ok bool) {
	t := s.template(d.Template)
	if t == nil || !s.whole {
		return false
	}
	*f = Frame{
		Spatial: t.spatial, Temporal: min(t.temporal, MaxTemporal), Starts: d.StartOfFrame, Ends: d.EndOfFrame,
		Structure: d.Structure, indications: t.indications, references: t.references,
	}
	if len(b) <= 3 || !d.ActiveTargets && !d.Indications && !d.Distances {
		return true
	}
	r := bits{b: b, at: extendedSize}
	if d.Structure {
		r.at = int(s.end)
	}
	if d.ActiveTargets {
		f.Active = r.read(int(s.targets))
	}
	if d.Indications {
		f.indications = r.indications(s.targets)
	}
	if d.Distances && !f.references.read(&r) {
		return false
	}
	return !r.short
}

// read reads a frame's own (appendix A.8.4, frame_fdiffs).
func (f *references) read(r *bits) (ok bool) {
	f.n = 0
	for {
		size := int(r.read(2))
		if size == 0 {
			return true
		}
		if !f.add(r.read(4*size) + 1) {
			return false
		}
	}
}

// AppendActive appends the descriptor d in b as it is when those decode targets,
// and no others, are active from its frame on. The structure is the one in force:
// that in b, if it has one.
func (s *Structure) AppendActive(out []byte, d DependencyDescriptor, b []byte, active uint32) []byte {
	r, w := bits{b: b}, writer{b: out}
	for range 3 {
		w.write(r.read(8), 8)
	}
	var flags uint32
	if len(b) > 3 {
		flags = r.read(5)
	}
	w.write(flags|0b01000, 5)
	if d.Structure {
		for r.at < int(s.end) {
			n := min(int(s.end)-r.at, 8)
			w.write(r.read(n), n)
		}
	}
	w.write(active, int(s.targets))
	if d.ActiveTargets {
		r.skip(int(s.targets))
	}
	for r.at < 8*len(b) {
		n := min(8*len(b)-r.at, 8)
		w.write(r.read(n), n)
	}
	return w.b
}

// writer appends numbers of some bits, the highest first.
type writer struct {
	b    []byte
	free int // bits of the last byte
}

func (w *writer) write(v uint32, n int) {
	for n > 0 {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		k := min(n, w.free)
		n, w.free = n-k, w.free-k
		w.b[len(w.b)-1] |= byte(v>>n&(1<<k-1)) << w.free
	}
}
