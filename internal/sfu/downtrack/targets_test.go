package downtrack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Whatever refers to what, whatever a subscriber gets of the layers and whatever is
// lost or late: sequence numbers have no holes, a frame comes whole or not at all,
// what it refers to was sent before it, and no picture ends twice. In the end each
// subscriber has what it should.
func TestFramesOfLayersInsideAStreamAreDecodable(t *testing.T) {
	for _, mime := range []string{"video/AV1", "video/VP9"} {
		for seed := range uint64(24) {
			t.Run(fmt.Sprint(mime[6:], seed), func(t *testing.T) {
				opts := uptrack.Options{Codec: uptrack.Codec{MimeType: mime, ClockRate: 90000}}
				if mime == "video/AV1" {
					opts.DependencyDescriptorExt = 4
				}
				withRig(t, opts, func(t *testing.T, r *rig) {
					v := newSVC(t, r, mime, seed)
					for range 400 {
						v.picture(true)
					}
					v.judge()
				})
			})
		}
	}
}

// svc sends the frames of a scalable stream, overtaken, lost and thinned at random.
type svc struct {
	t    *testing.T
	r    *rig
	mime string
	e    *scalable
	sent []*svcFrame
	held []videoPacket
	ts   uint32
	plis int64
	got  []rtp.Packet

	structure *codec.Structure // as the subscriber has it

	described bool   // VP9 has descriptors, too
	late      int    // pictures since the last that were held came
	ssrc      uint32 // of the binding
	resume    func() // ends what stops the track, nil if it flows
	stopped   int    // pictures until then
}

func newSVC(t *testing.T, r *rig, mime string, seed uint64) *svc {
	v := &svc{t: t, r: r, mime: mime, e: newScalable(seed), ssrc: 9}
	v.bind()
	return v
}

func (v *svc) bind() {
	v.r.down.Bind(Binding{SSRC: v.ssrc, PayloadType: 100, Writer: v.r.out, Extensions: []Ext{{From: 4, To: 5}}})
}

// interrupt stops the track for some pictures, or has it begin anew at once.
func (v *svc) interrupt() {
	up, down := v.r.up, v.r.down
	v.release()
	v.stopped = v.e.rng.IntN(8)
	switch v.e.rng.IntN(5) {
	case 0:
		down.SetPaused(true)
		v.resume = func() { down.SetPaused(false) }
	case 1:
		down.SetStarved(true)
		v.resume = func() { down.SetStarved(false) }
	case 2:
		up.SetMuted(true)
		v.resume = func() { up.SetMuted(false) }
	case 3:
		down.Unbind()
		v.resume = v.bind
	case 4:
		v.ssrc++
		v.resume = v.bind
	}
}

// goOn ends an interruption.
func (v *svc) goOn() {
	if v.resume != nil {
		v.release()
		v.resume()
		v.resume = nil
	}
}

// picture sends the next one; rough says that it is not spared.
func (v *svc) picture(rough bool) {
	rng, r := v.e.rng, v.r
	v.ts += 3000
	switch {
	case v.resume != nil:
		if v.stopped--; v.stopped < 0 || !rough {
			v.goOn()
		}
	case rough && rng.IntN(75) == 0:
		v.interrupt()
	}
	parts := v.e.picture(r.plis.Load() != v.plis)
	v.plis = r.plis.Load()
	if n := len(v.sent); n > 0 && v.sent[n-1].offset != parts[0].offset {
		v.release() // what is of another structure cannot be told then
	}
	for _, f := range parts {
		v.sent = append(v.sent, f)
		for i := range f.packets {
			if rough {
				v.maybeChange()
			}
			p := videoPacket{seq: r.seq, ts: v.ts, payload: v.e.av1(f, i), descriptor: v.e.descriptor(f, i), marker: f.top && i == f.packets-1}
			if v.mime == "video/VP9" {
				p.payload = v.e.vp9(f, i)
				if !v.described {
					p.descriptor = nil
				}
			}
			r.seq++
			switch n := rng.IntN(100); {
			case !rough || len(v.sent) == 1:
			case n < 1: // lost
				f.held = true
				continue
			case n < 8:
				f.held = true
				v.held = append(v.held, p)
				f.came++
				continue
			}
			f.came++
			v.send(p)
		}
	}
	if v.late++; len(v.held) > 3 || v.late > 4 || !rough {
		v.release()
	}
	r.pass(33e6)
	v.got = append(v.got, r.out.take()...)
}

func (v *svc) maybeChange() {
	down, rng := v.r.down, v.e.rng
	switch rng.IntN(80) {
	case 0, 1:
		down.SetAllottedTemporal(rng.IntN(4))
	case 2:
		down.SetAllotted(rng.IntN(4))
	case 3:
		down.SetMaxLayer(rng.IntN(4))
	case 4:
		down.SetMaxFPS(uint32(rng.IntN(60)))
	case 5:
		down.SetMaxFPS(0)
	case 6:
		down.SetAllotted(3)
		down.SetMaxLayer(3)
	}
}

func (v *svc) send(p videoPacket) {
	var exts []any
	if p.descriptor != nil {
		exts = []any{4, p.descriptor}
	}
	v.r.ts = p.ts
	v.r.sendMarked(p.seq, p.marker, p.payload, exts...)
}

func (v *svc) release() {
	v.e.rng.Shuffle(len(v.held), func(i, j int) { v.held[i], v.held[j] = v.held[j], v.held[i] })
	for _, p := range v.held {
		v.send(p)
	}
	v.held, v.late = nil, 0
}

// arrival is a frame as the subscriber got it.
type arrival struct {
	parts, order int
	number       uint16
	picture      uint16 // id, of VP9
}

func (v *svc) judge() {
	t := v.t
	t.Helper()
	v.release()
	v.goOn()
	v.got = append(v.got, v.r.out.take()...)
	v.numbersHaveNoHoles()
	frames := v.arrivals()
	counts := map[[2]int]int{}
	for place, a := range frames {
		f := v.sent[place]
		counts[[2]int{f.spatial, f.temporal}]++
		if a.parts != f.came {
			t.Errorf("%d of %d packets of frame %s", a.parts, f.came, v.name(f))
		}
		for _, ref := range f.refs {
			r := frames[ref.place]
			switch {
			case r == nil && ref.came == 0: // lost
			case r == nil:
				t.Errorf("frame %s refers to %s, which was not sent", v.name(f), v.name(ref))
			case int(a.number-r.number) != f.number-ref.number && v.mime == "video/AV1":
				t.Errorf("frames %s and %s have numbers %d apart", v.name(f), v.name(ref), a.number-r.number)
			case (a.picture-r.picture)&0x7fff != uint16(f.picture-ref.picture) && v.mime == "video/VP9":
				t.Errorf("pictures of %s and %s are %d apart", v.name(f), v.name(ref), a.picture-r.picture)
			case r.order > a.order && !f.held && !ref.held:
				t.Errorf("frame %s came before %s", v.name(f), v.name(ref))
			}
		}
	}
	v.picturesEndOnce()
	if counts[[2]int{0, 0}] == 0 || len(frames) == len(v.sent) {
		t.Errorf("frames of the layers: %v of %d", counts, len(v.sent))
	}
	if t.Failed() {
		t.FailNow()
	}
	v.wishesComeTrue()
	v.again()
}

func (v *svc) name(f *svcFrame) string {
	return fmt.Sprintf("%d (picture %d, S%dT%d, %s)", f.place, f.picture, f.spatial, f.temporal, f.indications)
}

func (v *svc) numbersHaveNoHoles() {
	sorted := slices.Clone(v.got)
	slices.SortStableFunc(sorted, func(a, b rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	lost := 0
	for _, f := range v.sent {
		lost += f.packets - f.came
	}
	holes := 0
	for i, p := range sorted[1:] {
		holes += int(p.SequenceNumber-sorted[i].SequenceNumber) - 1
	}
	if holes < 0 || holes > lost {
		v.t.Errorf("%d holes, %d packets were lost", holes, lost)
	}
}

func placeOf(p rtp.Packet) (place, i int) {
	tail := p.Payload[len(p.Payload)-5:]
	return int(binary.BigEndian.Uint32(tail)), int(tail[4])
}

func (v *svc) arrivals() map[int]*arrival {
	frames := map[int]*arrival{}
	for order, p := range v.got {
		if len(p.Payload) == 0 {
			continue
		}
		d, _ := codec.ParseDependencyDescriptor(p.GetExtension(5))
		place, _ := placeOf(p)
		a := frames[place]
		if a == nil {
			a = &arrival{number: d.FrameNumber, picture: codec.Parse(codec.KindOf(v.mime), p.Payload).PictureID, order: order}
			frames[place] = a
		}
		a.parts++
		if a.number != d.FrameNumber {
			v.t.Errorf("frame %d has the numbers %d and %d", place, a.number, d.FrameNumber)
		}
	}
	return frames
}

func (v *svc) picturesEndOnce() {
	whole := map[int]bool{}
	for _, f := range v.sent {
		was, ok := whole[f.picture]
		whole[f.picture] = (was || !ok) && !f.held
	}
	last, ends := map[int]rtp.Packet{}, map[int]int{}
	for _, p := range v.got {
		if len(p.Payload) == 0 {
			continue
		}
		place, _ := placeOf(p)
		picture := v.sent[place].picture
		if p.Marker {
			ends[picture]++
		}
		if was, ok := last[picture]; !ok || int16(p.SequenceNumber-was.SequenceNumber) > 0 {
			last[picture] = p
		}
	}
	for picture, p := range last {
		if ends[picture] > 1 || whole[picture] && (ends[picture] == 0 || !p.Marker) {
			v.t.Errorf("picture %d ends %d times, whole %v, its last packet %v", picture, ends[picture], whole[picture], p.Marker)
		}
	}
}

// active is the mask of the decode targets that a receiver takes to be sent, who
// took before to be when the packets from a certain one on came.
func (v *svc) active(from int, before uint32) (active uint32) {
	active = before
	for _, p := range v.got[from:] {
		raw := p.GetExtension(5)
		d, _ := codec.ParseDependencyDescriptor(raw)
		if d.Structure {
			s, _ := codec.ParseStructure(raw)
			v.structure, active = &s, v.e.all()
		}
		var f codec.Frame
		if len(p.Payload) > 0 && v.structure.Frame(d, raw, &f) && f.Active != 0 {
			active = f.Active
		}
	}
	return active
}

// wishesComeTrue has the subscriber get all, then the least, and all again in time.
func (v *svc) wishesComeTrue() {
	for _, w := range []struct{ spatial, temporal int }{{3, 3}, {0, 0}, {0, 3}, {3, 0}, {3, 3}} {
		v.r.down.SetMaxFPS(0)
		v.r.down.SetMaxLayer(3)
		v.r.down.SetAllotted(w.spatial)
		v.r.down.SetAllottedTemporal(w.temporal)
		for range 2*segmentLength + 10 {
			v.picture(false)
		}
		before := len(v.sent)
		for range 20 {
			v.picture(false)
		}
		// What has just become of the targets is told with the next frame that is sent.
		changed := slices.ContainsFunc(v.sent[before:], func(f *svcFrame) bool { return f.active != 0 })
		if v.mime == "video/AV1" && !changed {
			v.wantActive(w.spatial, w.temporal)
		}
		frames, want := v.arrivals(), map[int]bool{}
		tops := map[int]int{}
		for _, f := range v.sent[before:] {
			tops[f.picture] = f.spatial
		}
		for _, f := range v.sent[before:] {
			spatial := min(w.spatial, tops[f.picture])
			target := v.e.target(spatial, min(w.temporal, v.e.temporal-1))
			want[f.place] = v.e.in(target, f.spatial, f.temporal, f.key)
			// Of a key frame more may come, as it says what follows.
			if got := frames[f.place] != nil; got != want[f.place] && !f.key {
				v.t.Errorf("up to layers %d and %d: frame %s is sent: %v", w.spatial, w.temporal, v.name(f), got)
			}
		}
	}
	if v.t.Failed() {
		v.t.FailNow()
	}
}

// wantActive compares the targets that the subscriber is told of with those that it
// gets, in the last picture.
func (v *svc) wantActive(spatial, temporal int) {
	want, last := uint32(0), v.sent[len(v.sent)-1]
	spatial, temporal = min(spatial, last.spatial), min(temporal, v.e.temporal-1)
	for target := range v.e.targets() {
		s, t := v.e.layers(target)
		if t <= temporal && (s == spatial || s < spatial && v.e.how == always) {
			want |= 1 << target
		}
	}
	if got := v.active(0, 0); got != want {
		v.t.Errorf("up to layers %d and %d: the targets told are %b, want %b", spatial, temporal, got, want)
	}
}

// again asks for the last packets once more, which have to be as they were.
func (v *svc) again() {
	for _, was := range v.got[len(v.got)-40:] {
		v.r.nack(v.ssrc, was.SequenceNumber)
		p := v.r.one(fmt.Sprint(was.SequenceNumber))
		if !bytes.Equal(p.Payload, was.Payload) || !bytes.Equal(p.GetExtension(5), was.GetExtension(5)) || p.Marker != was.Marker {
			v.t.Fatalf("%d is sent again with %x %x, was %x %x", p.SequenceNumber, p.GetExtension(5), p.Payload, was.GetExtension(5), was.Payload)
		}
	}
}
