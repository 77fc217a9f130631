package downtrack

import (
	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// targets chooses the frames that are sent of a stream with layers inside it, whose
// frames say what they are to decode targets and to which frames they refer (AV1 RTP
// specification, appendix A): those of one target. It is left at any picture for one
// that it holds. Another one of its spatial layer is entered at a frame that lets it
// in (a switch indication) and refers to what was sent only, any other at a key frame.
// A frame that refers to one that was left out is left out, so that chains need not be
// looked at.
type targets struct {
	structure *codec.Structure // nil before the first
	since     uint64           // the number of the packet that had the next one, if it came late
	current   int
	parts     uint32 // the targets that current holds, itself among them
	told      uint32 // those that the subscriber was told of as active

	// newest is the highest frame number. Of those before it, known has a bit for those
	// decided on, and sent for those of them that are sent.
	newest uint16
	known  [memory / 64]uint64
	sent   [memory / 64]uint64

	picture uint32 // timestamp of the newest picture
	waited  int    // frames since a higher temporal layer was wanted

	// The last wish, and what it came to.
	active            uint32
	spatial, temporal int
	wanted            int

	changes int // of current, that places has had
	places  [levels]place
}

// memory is of how many frame numbers it is known whether their frames were sent.
// Numbers of a publisher's other streams may be in between.
const memory = 512

// place is a packet from which on a decode target was sent.
type place struct {
	seq    uint64
	target int
}

// patience is how many frames may pass without one at which a higher temporal layer
// can be entered.
const patience = 64

// want returns the decode target to send, for the highest layers of both kinds.
func (t *targets) want(p *uptrack.Packet, spatial, temporal int) int {
	if t.structure != p.Structure || t.active != p.Active || t.spatial != spatial || t.temporal != temporal {
		t.active, t.spatial, t.temporal = p.Active, spatial, temporal
		t.wanted = p.Structure.Target(p.Active, spatial, temporal)
	}
	return t.wanted
}

// keep decides on a packet. late says that a later one was handled before. ask says
// that a key frame is needed.
func (t *targets) keep(p *uptrack.Packet, want int, late bool) (keep, ask bool) {
	f, begins := &p.Frame, !late && p.Timestamp != t.picture
	// A number that comes again in another picture is of another frame.
	if sent, known := t.decision(p.FrameNumber); known && !begins {
		return sent, false
	}
	if t.structure != nil && t.structure != p.Structure && !begins {
		// Of a structure that has just come with a key frame everything was sent, up to
		// the next picture.
		if f.Structure {
			t.since = p.Seq
		}
		t.decide(p.FrameNumber, true)
		return true, false
	}
	if late {
		target := t.at(p.Seq)
		keep = target == every || target != noTarget && f.In(target) && t.complete(p)
		t.decide(p.FrameNumber, keep)
		return keep, false
	}
	if begins {
		t.picture = p.Timestamp
	}
	if f.Key() && p.FrameNumber-t.newest-1 >= memory {
		t.known, t.newest = [memory / 64]uint64{}, p.FrameNumber // numbers begin anew
	}
	switch s := t.structure; {
	case s != p.Structure:
		t.structure, t.changes = p.Structure, 0
		if !f.Structure {
			t.places[0], t.changes = place{t.since, every}, 1
		}
		t.current = every
		t.enter(want, p)
	case f.Key():
		t.enter(want, p)
	case want != t.current:
		t.approach(want, p, begins)
	}
	complete := t.complete(p)
	keep = complete && (f.In(t.current) || f.Key())
	t.decide(p.FrameNumber, keep)
	return keep, f.In(t.current) && !complete || t.asks(want)
}

// enter sends another decode target from p on.
func (t *targets) enter(target int, p *uptrack.Packet) {
	if target == t.current {
		return
	}
	t.current, t.parts, t.waited = target, t.structure.Parts(target), 0
	t.places[t.changes%levels] = place{p.Seq, target}
	t.changes++
}

// approach enters the target if it can be: the current one holds it and p begins a
// picture, or p lets it in, or lets one on the way to it in that holds the current one.
// While its spatial layer waits for a key frame, that of the current one with its
// temporal layer is meant.
func (t *targets) approach(want int, p *uptrack.Packet, begins bool) {
	s, spatial := t.structure, t.structure.SpatialOf(t.current)
	if !s.Within(want, t.current) && s.SpatialOf(want) != spatial {
		want = s.Target(s.Targets(1<<spatial), spatial, s.TemporalLayerOf(want))
	}
	if s.Within(want, t.current) {
		if begins {
			t.enter(want, p)
		}
		return
	}
	best := t.current
	for target := range s.DecodeTargets() {
		switch {
		case !p.Frame.Switches(target) || s.SpatialOf(target) != spatial:
		case target == want, best != want && s.Within(best, target) && s.Within(target, want):
			best = target
		}
	}
	if best == t.current {
		return
	}
	for _, distance := range p.Frame.References() {
		if sent, _ := t.decision(p.FrameNumber - distance); !sent {
			return
		}
	}
	t.enter(best, p)
}

// asks reports whether a key frame is needed to reach the target: for another
// spatial layer, and for another temporal one when there was long no other way.
func (t *targets) asks(want int) bool {
	s := t.structure
	switch {
	case s.Within(want, t.current):
		t.waited = 0
		return false
	case s.SpatialOf(want) != s.SpatialOf(t.current):
		return true
	}
	if t.waited++; t.waited < patience {
		return false
	}
	t.waited = 0
	return true
}

// complete reports whether a frame refers to none that was left out.
func (t *targets) complete(p *uptrack.Packet) bool {
	for _, distance := range p.Frame.References() {
		if sent, known := t.decision(p.FrameNumber - distance); known && !sent {
			return false
		}
	}
	return true
}

// at is the decode target that was sent when a late packet should have come:
// noTarget if that was before the structure, or is forgotten.
func (t *targets) at(seq uint64) int {
	for i := t.changes - 1; i >= max(0, t.changes-levels); i-- {
		if pl := &t.places[i%levels]; seq >= pl.seq {
			return pl.target
		}
	}
	return noTarget
}

// unknown decides on a packet whose template is none of the structure. It may be of
// one that comes with a key frame of which the beginning is missing, and then all is
// sent, or of the one before.
func (t *targets) unknown(p *uptrack.Packet, late bool) (keep bool) {
	if sent, known := t.decision(p.FrameNumber); known && late {
		return sent
	}
	if keep = !late || t.at(p.Seq) != noTarget; !late {
		t.picture = p.Timestamp
	}
	t.decide(p.FrameNumber, keep)
	return keep
}

// decision is what was decided on a frame.
func (t *targets) decision(number uint16) (sent, known bool) {
	if t.newest-number >= memory {
		return false, false
	}
	i, bit := number%memory/64, uint64(1)<<(number%64)
	known = t.known[i]&bit != 0
	return known && t.sent[i]&bit != 0, known
}

func (t *targets) decide(number uint16, sent bool) {
	switch ahead := number - t.newest; {
	case ahead < memory:
		for n := t.newest + 1; ahead > 0; n, ahead = n+1, ahead-1 {
			t.known[n%memory/64] &^= 1 << (n % 64)
		}
		t.newest = number
	case ahead < 1<<15:
		t.known, t.newest = [memory / 64]uint64{}, number
	case t.newest-number >= memory:
		return
	}
	i, bit := number%memory/64, uint64(1)<<(number%64)
	t.known[i] |= bit
	if t.sent[i] &^= bit; sent {
		t.sent[i] |= bit
	}
}

// finish returns what is to be changed in a packet that is sent: whether it ends
// its picture, and the decode targets to tell, 0 if its descriptor stays as it is.
// note is what recall needs to say the same.
func (t *targets) finish(p *uptrack.Packet, late bool) (marker bool, active uint32, note uint8) {
	target, f := t.current, &p.Frame
	switch {
	case p.Structure != t.structure:
		target = noTarget
	case late:
		if target = t.at(p.Seq); target == every {
			target = noTarget
		}
	case f.Starts && t.told != t.parts:
		t.told = t.parts
		if !f.Structure && f.Active == 0 {
			note = noteTold
		}
	}
	if late && (f.Structure || f.Active != 0) {
		t.told = 0 // it tells of what was
	}
	note |= uint8(target) << noteTarget
	if p.Marker || target != noTarget && f.Ends && int(f.Spatial) == t.structure.SpatialOf(target) {
		marker, note = true, note|noteEnds
	}
	return marker, recall(p, note), note
}

// The note of a packet in the history: whether it ends its picture, its decode
// target, and whether that is told though the packet itself tells of no targets.
const (
	noteTold   = 1 << 0
	noteTarget = 1 // place of five bits
	noteEnds   = 1 << 6

	noTarget = 31 // the last one is never sent
	every    = -1
)

// recall returns the decode targets to tell in a packet, by its note.
func recall(p *uptrack.Packet, note uint8) (active uint32) {
	s, f, target := p.Structure, &p.Frame, int(note&^noteEnds>>noteTarget)
	if target >= s.DecodeTargets() || !f.Starts || note&noteTold == 0 && !f.Structure && f.Active == 0 {
		return 0
	}
	said := f.Active
	if said == 0 {
		said = s.Targets(1<<8 - 1)
	}
	if active = s.Parts(target) & said; active == said && note&noteTold == 0 {
		return 0
	}
	return active
}
