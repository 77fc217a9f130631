package codec

// Targets returns the mask of the decode targets that are made of the spatial
// layers of a mask and have frames of the highest of theirs.
func (s *Structure) Targets(spatial uint8) (targets uint32) {
	for t := range s.targets {
		if of := &s.of[t]; of.frames != 0 && spatial&(1<<of.spatial) != 0 {
			targets |= 1 << t
		}
	}
	return targets
}

// Spatial returns the mask of the highest spatial layers of the decode targets of a
// mask.
func (s *Structure) Spatial(targets uint32) (spatial uint8) {
	for t := range s.targets {
		if of := &s.of[t]; of.frames != 0 && targets&(1<<t) != 0 {
			spatial |= 1 << of.spatial
		}
	}
	return spatial
}

// Target returns which decode target of a mask to send: of the highest spatial
// layer up to one, else the lowest there is, and of that the one of the highest
// temporal layer up to one, else the lowest. If the mask is empty all count.
func (s *Structure) Target(mask uint32, spatial, temporal int) (best int) {
	rank := func(t int) int {
		of := &s.of[t]
		return within(int(of.spatial), spatial, maxLayers)*4*maxLayers + within(int(of.temporal), temporal, maxLayers)
	}
	if mask &= s.Targets(1<<maxLayers - 1); mask == 0 {
		mask = s.Targets(1<<maxLayers - 1)
	}
	best = -1
	for t := range int(s.targets) {
		if mask&(1<<t) != 0 && (best < 0 || rank(t) > rank(best)) {
			best = t
		}
	}
	return max(best, 0)
}

// within ranks a value by a limit: those up to it first and the highest best,
// those above it the lowest best.
func within(v, limit, most int) int {
	if v <= limit {
		return most + v
	}
	return most - v
}

// SpatialOf returns the highest spatial layer of a decode target.
func (s *Structure) SpatialOf(target int) int { return int(s.of[target].spatial) }

// TemporalLayerOf returns the highest temporal layer of a decode target.
func (s *Structure) TemporalLayerOf(target int) int { return int(s.of[target].temporal) }

// Within reports whether all frames of a decode target are part of another.
func (s *Structure) Within(target, other int) bool {
	return s.of[target].frames&^s.of[other].frames == 0
}

// Parts returns the mask of the decode targets all of whose frames are part of one.
func (s *Structure) Parts(target int) (parts uint32) {
	for t := range int(s.targets) {
		if s.of[t].frames != 0 && s.Within(t, target) {
			parts |= 1 << t
		}
	}
	return parts
}

// Needs returns the mask of the spatial layers that are sent, between key frames,
// with the decode targets of the highest temporal layer of one: itself and those
// that it is made from.
func (s *Structure) Needs(spatial uint8) (needs uint8) {
	needs = 1 << spatial
	top := s.Target(s.Targets(needs), int(spatial), maxLayers)
	if s.of[top].spatial != spatial {
		return needs
	}
	for below := range spatial {
		all := true
		for i := range s.count {
			all = all && (s.templates[i].spatial != below || s.of[top].frames&(1<<i) != 0)
		}
		if all {
			needs |= 1 << below
		}
	}
	return needs
}

// Whole reports whether the structure says what frames refer to, so that there are
// Frames under it.
func (s *Structure) Whole() bool { return s.whole }

// DecodeTargets returns how many there are.
func (s *Structure) DecodeTargets() int { return int(s.targets) }
