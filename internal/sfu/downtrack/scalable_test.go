package downtrack

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// scalable makes streams of spatial and temporal layers that refer to what came
// before at random, as far as layers may, and tells what its frames are to decode
// targets and which temporal layers can be entered where by what really refers to
// what.
type scalable struct {
	rng               *rand.Rand
	spatial, temporal int
	how               interlayer
	tids              []int // temporal layers of pictures, in turn

	frames []*svcFrame // all that were made
	next   int         // of frames, to be sent
	offset int         // of templates
	number int         // of the last frame
	made   int         // spatial layers since the last key frame
	steady bool        // all layers are made, and refer to as little as encoders have them
}

// interlayer is when spatial layers refer to those below.
type interlayer int

const (
	always interlayer = iota
	atKeyframes
	never
)

// svcFrame is a spatial layer's part of a picture.
type svcFrame struct {
	picture, place    int // places count frames
	spatial, temporal int
	key               bool // of the picture
	number            int
	refs              []*svcFrame
	indications       string
	up                bool   // of the picture: upper temporal layers refer to nothing of theirs before it
	alone             bool   // nothing above refers to it
	active            uint32 // told, 0 if nothing is
	top               bool   // of its picture
	offset            int
	packets, came     int
	held              bool // not all came in order
}

func newScalable(seed uint64) *scalable {
	rng := rand.New(rand.NewPCG(seed, 21))
	e := &scalable{
		rng: rng, spatial: 2 + rng.IntN(2), temporal: 1 + rng.IntN(3), how: interlayer(seed % 3),
		offset: rng.IntN(64), number: rng.IntN(1 << 16),
	}
	e.tids = [][]int{{0}, {0, 1}, {0, 2, 1, 2}}[e.temporal-1]
	if rng.IntN(3) == 0 {
		for range rng.IntN(5) {
			e.tids = append(e.tids, rng.IntN(e.temporal))
		}
	}
	return e
}

func (e *scalable) targets() int                 { return e.spatial * e.temporal }
func (e *scalable) all() uint32                  { return 1<<e.targets() - 1 }
func (e *scalable) target(spatial, t int) int    { return spatial*e.temporal + t }
func (e *scalable) layers(target int) (s, t int) { return target / e.temporal, target % e.temporal }

// in reports whether frames of the layers are part of a decode target.
func (e *scalable) in(target, spatial, temporal int, key bool) bool {
	s, t := e.layers(target)
	return temporal <= t && (spatial == s || spatial < s && (e.how == always || e.how == atKeyframes && key))
}

// segmentLength is how many pictures there are between two key frames, at most.
const segmentLength = 60

// segment makes the pictures of a key frame and those after it.
func (e *scalable) segment() (made []*svcFrame) {
	e.made = e.spatial
	if !e.steady && e.rng.IntN(4) == 0 {
		e.made = 1 + e.rng.IntN(e.spatial)
	}
	first := 0
	if len(e.frames) > 0 {
		first = e.frames[len(e.frames)-1].picture + 1
	}
	top := e.made
	for picture := range segmentLength {
		active := uint32(0)
		if picture == 0 && e.made < e.spatial {
			active = 1<<(e.made*e.temporal) - 1
		}
		if e.how == always && picture > 0 && top > 1 && !e.steady && e.rng.IntN(80) == 0 {
			top-- // not made any more
			active = 1<<(top*e.temporal) - 1
		}
		temporal := 0
		if picture > 0 {
			temporal = e.tids[picture%len(e.tids)]
		}
		for spatial := range top {
			e.number++
			f := &svcFrame{
				picture: first + picture, place: len(e.frames) + len(made), spatial: spatial, temporal: temporal,
				key: picture == 0, number: e.number, top: spatial == top-1, packets: 1 + e.rng.IntN(3), offset: e.offset,
			}
			if spatial == 0 {
				f.active = active
			}
			e.refer(f, made)
			made = append(made, f)
		}
	}
	e.tell(made)
	return made
}

// refer gives a frame what it refers to.
func (e *scalable) refer(f *svcFrame, before []*svcFrame) {
	add := func(r *svcFrame) {
		if !slices.Contains(f.refs, r) {
			f.refs = append(f.refs, r)
		}
	}
	if f.spatial > 0 && (e.how == always || e.how == atKeyframes && f.key) {
		add(before[len(before)-1])
	}
	if f.key {
		return
	}
	var own []*svcFrame
	for i := len(before) - 1; i >= 0 && len(own) < 4; i-- {
		if r := before[i]; r.picture < f.picture && r.spatial == f.spatial && r.temporal <= f.temporal && (r.temporal < f.temporal || f.temporal == 0 || !e.steady && e.rng.IntN(3) == 0) {
			own = append(own, r)
		}
	}
	if e.steady {
		own = own[:1]
	}
	for range 1 + e.rng.IntN(2) {
		if len(own) > 0 {
			add(own[min(e.rng.IntN(len(own)), e.rng.IntN(len(own)))])
		}
	}
}

// tell finds what can be said of the frames by looking at all of them.
func (e *scalable) tell(made []*svcFrame) {
	at := map[*svcFrame]int{}
	ancestors := make([]map[int]bool, len(made))
	for i, f := range made {
		at[f] = i
		ancestors[i] = map[int]bool{}
		for _, r := range f.refs {
			ancestors[i][at[r]] = true
			for a := range ancestors[at[r]] {
				ancestors[i][a] = true
			}
		}
	}
	said := make([][]byte, len(made))
	for target := range e.targets() {
		wanted := map[int]bool{} // frames of the target that later ones refer to
		for i := len(made) - 1; i >= 0; i-- {
			f, c := made[i], byte('-')
			if e.in(target, f.spatial, f.temporal, f.key) {
				c = 'R'
				if !wanted[i] {
					c = 'D'
				}
				lets := true
				for r := range wanted {
					lets = lets && (r >= i || ancestors[i][r])
				}
				if lets {
					c = 'S'
				}
				for _, r := range f.refs {
					wanted[at[r]] = true
				}
			}
			said[i] = append(said[i], c)
		}
	}
	for i, f := range made {
		f.indications = string(said[i])
	}
	e.tellVP9(made)
}

// tellVP9 finds what descriptors of VP9 say.
func (e *scalable) tellVP9(made []*svcFrame) {
	for i, f := range made {
		f.up, f.alone = true, f.spatial == e.spatial-1 || e.how != always && (e.how == never || !f.key)
		for _, later := range made[i+1:] {
			for _, r := range later.refs {
				if later.picture > f.picture && later.temporal > f.temporal && r.picture < f.picture && r.temporal > f.temporal {
					f.up = false
				}
			}
		}
	}
	for i := len(made) - 1; i > 0; i-- { // of all of a picture
		if made[i].picture == made[i-1].picture {
			made[i-1].up = made[i-1].up && made[i].up
		}
	}
	for i := 1; i < len(made); i++ {
		if made[i].picture == made[i-1].picture {
			made[i].up = made[i-1].up
		}
	}
}

// picture returns the parts of the next one.
func (e *scalable) picture(key bool) (parts []*svcFrame) {
	if key || e.next == len(e.frames) {
		e.frames = e.frames[:e.next]
		if e.rng.IntN(5) == 0 {
			e.offset = (e.offset + e.spatial*(e.temporal+1)) % 64 // as encoders do, so that they are told apart
		}
		if e.next > 0 {
			e.number = e.frames[e.next-1].number
		}
		e.frames = append(e.frames, e.segment()...)
	}
	for e.next < len(e.frames) && (len(parts) == 0 || e.frames[e.next].picture == parts[0].picture) {
		parts = append(parts, e.frames[e.next])
		e.next++
	}
	return parts
}

// template is the number of that of a frame: those of key frames come first in each
// spatial layer.
func (e *scalable) template(f *svcFrame) int {
	if f.key {
		return f.spatial * (e.temporal + 1)
	}
	return f.spatial*(e.temporal+1) + 1 + f.temporal
}

// descriptor is the header extension of packet i of a frame.
func (e *scalable) descriptor(f *svcFrame, i int) []byte {
	var w bitWriter
	w.put(bit(i == 0), 1)
	w.put(bit(i == f.packets-1), 1)
	w.put((f.offset+e.template(f))%64, 6)
	w.put(f.number&0xffff, 16)
	structure, told := f.key && f.spatial == 0 && i == 0, f.active != 0 && i == 0
	w.put(bit(structure), 1)
	w.put(bit(told), 1)
	w.put(0b110, 3) // what it is and what it refers to, no chains
	if structure {
		e.structure(&w, f.offset)
	}
	if told {
		w.put(int(f.active), e.targets())
	}
	w.indications(f.indications)
	for _, r := range f.refs {
		switch d := f.number - r.number - 1; {
		case d < 16:
			w.put(1, 2)
			w.put(d, 4)
		case d < 256:
			w.put(2, 2)
			w.put(d, 8)
		default:
			w.put(3, 2)
			w.put(d, 12)
		}
	}
	w.put(0, 2)
	return w.b
}

func (e *scalable) structure(w *bitWriter, offset int) {
	w.put(offset, 6)
	w.put(e.targets()-1, 5)
	var all []*svcFrame
	for spatial := range e.spatial {
		all = append(all, &svcFrame{spatial: spatial, key: true})
		for temporal := range e.temporal {
			all = append(all, &svcFrame{spatial: spatial, temporal: temporal})
		}
	}
	for i, t := range all[1:] {
		switch {
		case t.spatial > all[i].spatial:
			w.put(2, 2)
		default:
			w.put(t.temporal-all[i].temporal, 2)
		}
	}
	w.put(3, 2)
	for _, t := range all {
		for target := range e.targets() {
			w.put(3*bit(e.in(target, t.spatial, t.temporal, t.key)), 2)
		}
	}
	for range all {
		w.put(0b10010, 5) // two of them, which frames do not use
		w.put(0b1, 1)
		w.put(0b0010, 4)
		w.put(0, 1)
	}
	chains := e.spatial
	below := func(v, n int) { // appendix A.8.1
		size := bits.Len(uint(n))
		if short := 1<<size - n; v < short {
			w.put(v, size-1)
		} else {
			w.put(v+short, size)
		}
	}
	below(chains, e.targets()+1)
	for target := range e.targets() {
		s, _ := e.layers(target)
		below(s, chains)
	}
	for range all {
		w.put(0, 4*chains)
	}
	w.put(1, 1)
	for range e.spatial {
		w.put(320<<16|180, 32)
	}
}

// vp9 is the payload of packet i of a frame. It ends with the frame's place and i.
func (e *scalable) vp9(f *svcFrame, i int) []byte {
	first := 0xb0 | 0x40*bit(!f.key) | 0x08*bit(i == 0) | 0x04*bit(i == f.packets-1) | bit(f.alone)
	told := f.key && f.spatial == 0 && i == 0
	b := []byte{byte(first | 2*bit(told)), 0x80 | byte(f.picture>>8&0x7f), byte(f.picture),
		byte(f.temporal<<5 | 0x10*bit(f.up) | f.spatial<<1 | bit(f.spatial > 0 && (e.how == always || f.key)))}
	if !f.key {
		b = append(b, 1<<1)
	}
	if told {
		b = append(b, byte(e.made-1)<<5)
	}
	return e.tail(b, f, i)
}

// av1 is the same of AV1, which says nothing of layers.
func (e *scalable) av1(f *svcFrame, i int) []byte {
	return e.tail([]byte{byte(0x10 | 0x08*bit(f.key && f.spatial == 0 && i == 0) | 0x80*bit(i > 0)), 0x32}, f, i)
}

func (e *scalable) tail(b []byte, f *svcFrame, i int) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(f.place)), byte(i))
}
