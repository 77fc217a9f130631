package downtrack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// coded is a frame as an encoder of temporal layers makes it: what it is to each
// decode target, and the buffers that it refers to and fills, a bit for each.
type coded struct {
	temporal    int
	indications string
	refers      byte
	fills       byte
}

// patterns are what encoders repeat, and how many frames of them are in each layer.
var patterns = []struct {
	name   string
	codec  string
	frames []coded
}{
	{"three layers of VP8", "video/VP8", []coded{
		{0, "SSS", 1, 1}, {2, "--D", 1, 0}, {1, "-SS", 1, 2}, {2, "--D", 3, 0},
		{0, "SRR", 1, 1}, {2, "--D", 3, 0}, {1, "-DS", 3, 2}, {2, "--D", 3, 0},
	}},
	{"two layers of VP8", "video/VP8", []coded{{0, "SS", 1, 1}, {1, "-S", 1, 2}, {0, "SR", 1, 1}, {1, "-D", 3, 0}}},
	{"three layers of AV1", "video/AV1", []coded{{0, "SSS", 1, 1}, {2, "--D", 1, 0}, {1, "-DS", 1, 2}, {2, "--D", 2, 0}}},
	{"three layers of H264", "video/H264", []coded{{0, "SSS", 1, 1}, {2, "--D", 1, 0}, {1, "-DS", 1, 2}, {2, "--D", 2, 0}}},
	{"three layers of VP9", "video/VP9", []coded{{0, "SSS", 1, 1}, {2, "--D", 1, 0}, {1, "-SS", 1, 2}, {2, "--D", 2, 0}}},
}

// bitWriter is the inverse of what reads descriptors.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) put(v, size int) {
	for i := size - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

func (w *bitWriter) indications(s string) {
	for _, c := range s {
		w.put(strings.IndexRune("-DSR", c), 2)
	}
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}

// encoder makes frames, with dependency descriptors.
type encoder struct {
	pattern   []coded
	templates []coded // the different ones of the pattern, by layer
	offset    int     // of the templates
	stride    int     // of frame numbers, as other streams share them
	rng       *rand.Rand

	at      int // in the pattern
	number  int
	buffers [3]int // the frame in each
}

// encodedFrame is one of its frames.
type encodedFrame struct {
	coded
	number int
	refs   []int // numbers of the frames it refers to
	key    bool
	custom bool // the descriptor says all itself
}

func newEncoder(pattern []coded, stride int, rng *rand.Rand) *encoder {
	e := &encoder{pattern: pattern, stride: stride, rng: rng, number: 65000, offset: rng.IntN(64)}
	for _, c := range pattern {
		if !slices.ContainsFunc(e.templates, func(t coded) bool { return t.indications == c.indications && t.temporal == c.temporal }) {
			e.templates = append(e.templates, c)
		}
	}
	slices.SortStableFunc(e.templates, func(a, b coded) int { return a.temporal - b.temporal })
	return e
}

func (e *encoder) next(key bool) (f encodedFrame) {
	if key {
		e.at = 0
	}
	f.coded, f.key, f.custom = e.pattern[e.at%len(e.pattern)], key, !key && e.rng.IntN(2) == 0
	e.at++
	e.number += e.stride
	f.number = e.number
	for i := range e.buffers {
		if !key && f.refers&(1<<i) != 0 && !slices.Contains(f.refs, e.buffers[i]) {
			f.refs = append(f.refs, e.buffers[i])
		}
		if key || f.fills&(1<<i) != 0 {
			e.buffers[i] = f.number
		}
	}
	return f
}

// descriptor is the header extension of packet i of n.
func (e *encoder) descriptor(f encodedFrame, i, n int) []byte {
	template := slices.IndexFunc(e.templates, func(t coded) bool {
		return t.temporal == f.temporal && (f.custom || t.indications == f.indications)
	})
	var w bitWriter
	w.put(bit(i == 0), 1)
	w.put(bit(i == n-1), 1)
	w.put((e.offset+template)%64, 6)
	w.put(f.number, 16)
	if f.key && i == 0 {
		w.put(0b10000, 5)
		e.structure(&w)
	} else {
		w.put(bit(f.custom), 3) // no structure, all targets are active
		w.put(0b10, 2)          // what it refers to, no chains
		if f.custom {
			w.indications(f.indications)
		}
		for _, ref := range f.refs {
			w.put(3, 2)
			w.put(f.number-ref-1, 12)
		}
		w.put(0, 2)
	}
	return w.b
}

func (e *encoder) structure(w *bitWriter) {
	targets := len(e.templates[0].indications)
	w.put(e.offset, 6)
	w.put(targets-1, 5)
	for i := range e.templates[1:] {
		w.put(e.templates[i+1].temporal-e.templates[i].temporal, 2)
	}
	w.put(3, 2)
	for _, t := range e.templates {
		w.indications(t.indications)
	}
	w.put(0, len(e.templates))              // which say nothing of what they refer to
	w.put(0, bits.Len8(uint8(targets+1))-1) // no chains
	w.put(0, 1)                             // no resolutions
}

// payload is packet i of n of a frame, as senders that use descriptors make it. It
// ends with the frame's place, i and n.
func payload(mime string, f encodedFrame, place, i, n int) (b []byte) {
	switch first := i == 0; mime {
	case "video/VP8": // the shortest descriptor there is
		b = []byte{byte(0x10 * bit(first)), byte(1 - bit(f.key))}
	case "video/VP9":
		b = []byte{byte(0xa0 | 0x40*bit(!f.key) | 0x08*bit(first) | 0x04*bit(i == n-1)), 0x80 | byte(place>>8&0x7f), byte(place), byte(f.temporal << 5), byte(place)}
	case "video/H264":
		b = []byte{0x7c, byte(0x80*bit(first) | 1 + 4*bit(f.key))}
	case "video/AV1":
		b = []byte{byte(0x10 | 0x08*bit(f.key && first) | 0x80*bit(!first)), 0x32}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(place))
	return append(b, byte(i), byte(n))
}

// Whatever layers are left out when, and however packets are overtaken: sequence
// numbers have no holes, each frame comes whole or not at all, and what it refers
// to came before it, under the number that its descriptor names.
func TestFramesThatDescriptorsTellOfAreDecodable(t *testing.T) {
	for _, pattern := range patterns {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(pattern.name, seed), func(t *testing.T) {
				opts := uptrack.Options{Codec: uptrack.Codec{MimeType: pattern.codec, ClockRate: 90000}, DependencyDescriptorExt: 4}
				withRig(t, opts, func(t *testing.T, r *rig) {
					v := newVideo(t, r, pattern.codec, newEncoder(pattern.frames, 1+2*int(seed%2), rand.New(rand.NewPCG(seed, 11))))
					for range 600 {
						v.frame()
					}
					v.release()
					v.judge()
				})
			})
		}
	}
}

// video sends frames of an encoder, overtaken and thinned at random, and judges
// what comes of them.
type video struct {
	t      *testing.T
	r      *rig
	mime   string
	e      *encoder
	frames []encodedFrame
	held   []videoPacket
	ts     uint32
	plis   int64
}

type videoPacket struct {
	seq        uint16
	ts         uint32
	payload    []byte
	descriptor []byte
	marker     bool
}

func newVideo(t *testing.T, r *rig, mime string, e *encoder) *video {
	r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out, Extensions: []Ext{{From: 4, To: 5}}})
	return &video{t: t, r: r, mime: mime, e: e}
}

func (v *video) frame() {
	rng, r := v.e.rng, v.r
	v.ts += 3000
	if rng.IntN(200) == 0 {
		v.release() // what comes after a break is not of what was before
		r.down.SetPaused(true)
		r.down.SetPaused(false)
	}
	key := len(v.frames) == 0 || r.plis.Load() != v.plis || rng.IntN(100) == 0
	v.plis = r.plis.Load()
	f := v.e.next(key)
	v.frames = append(v.frames, f)
	n := 1 + rng.IntN(3)
	for i := range n {
		v.maybeChange()
		p := videoPacket{seq: r.seq, ts: v.ts, payload: payload(v.mime, f, len(v.frames)-1, i, n), descriptor: v.e.descriptor(f, i, n)}
		r.seq++
		if len(v.frames) > 1 && rng.IntN(10) == 0 {
			v.held = append(v.held, p)
			continue
		}
		v.send(p)
	}
	if len(v.held) > 3 {
		v.release()
	}
	r.pass(33e6)
}

// maybeChange has the subscriber get more or less, at any packet.
func (v *video) maybeChange() {
	switch rng := v.e.rng; rng.IntN(60) {
	case 0, 1, 2:
		v.r.down.SetAllottedTemporal(rng.IntN(4))
	case 3:
		v.r.down.SetMaxFPS(uint32(rng.IntN(40)))
	case 4:
		v.r.down.SetMaxFPS(0)
	}
}

func (v *video) send(p videoPacket) {
	v.r.ts = p.ts
	v.r.sendAs(p.seq, p.payload, 4, p.descriptor)
}

func (v *video) release() {
	v.e.rng.Shuffle(len(v.held), func(i, j int) { v.held[i], v.held[j] = v.held[j], v.held[i] })
	for _, p := range v.held {
		v.send(p)
	}
	v.held = nil
}

// seen is a frame as the subscriber got it.
type seen struct {
	parts, whole int
	number       uint16
	picture      uint16 // id, of VP9
	order        int    // in which it came
}

func (v *video) judge() {
	t := v.t
	t.Helper()
	got := v.r.out.take()
	slices.SortStableFunc(got, func(a, b rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	frames := map[int]*seen{}
	var sent [3]int
	for i, p := range got {
		if i > 0 && p.SequenceNumber != got[i-1].SequenceNumber+1 {
			t.Fatalf("packet %d follows %d", p.SequenceNumber, got[i-1].SequenceNumber)
		}
		if len(p.Payload) == 0 {
			continue
		}
		d, ok := codec.ParseDependencyDescriptor(p.GetExtension(5))
		if !ok {
			t.Fatalf("packet %d has no descriptor", p.SequenceNumber)
		}
		tail := p.Payload[len(p.Payload)-6:]
		place := int(binary.BigEndian.Uint32(tail))
		f := frames[place]
		if f == nil {
			f = &seen{number: d.FrameNumber, picture: codec.Parse(codec.KindOf(v.mime), p.Payload).PictureID, order: len(frames)}
			frames[place] = f
			sent[v.frames[place].temporal]++
		}
		f.parts, f.whole = f.parts+1, int(tail[5])
		if d.FrameNumber != f.number {
			t.Fatalf("frame %d has the numbers %d and %d", place, f.number, d.FrameNumber)
		}
	}
	places := map[int]int{} // of frame numbers
	for place, f := range v.frames {
		places[f.number] = place
	}
	broken := 0
	for place, s := range frames {
		f := v.frames[place]
		if s.parts != s.whole {
			t.Errorf("%d of %d packets of frame %d, in layer %d", s.parts, s.whole, place, f.temporal)
			broken++
		}
		for _, ref := range f.refs {
			r := frames[places[ref]]
			if r == nil {
				t.Errorf("frame %d of layer %d refers to %d, which was not sent", place, f.temporal, places[ref])
				broken++
			} else if int(s.number-r.number) != f.number-ref || r.order > s.order {
				t.Errorf("frame %d refers to number %d, and %d was %d", place, int(s.number)-f.number+ref, places[ref], r.number)
				broken++
			} else if v.mime == "video/VP9" && (s.picture-r.picture)&0x7fff != uint16(place-places[ref]) {
				t.Errorf("pictures %d and %d, which refers to it, have the ids %d and %d", places[ref], place, r.picture, s.picture)
				broken++
			}
		}
	}
	if broken > 0 || sent[0] == 0 || sent[1] == 0 || slices.Max(sent[1:]) > len(v.frames)*2/5 {
		t.Fatalf("%d broken, frames of the layers: %v of %d", broken, sent, len(v.frames))
	}
	v.again(got)
}

// again asks for the last packets once more, which have to be as they were.
func (v *video) again(got []rtp.Packet) {
	sent := map[uint16]rtp.Packet{}
	for _, p := range got[len(got)-20:] {
		if len(p.Payload) > 0 {
			sent[p.SequenceNumber] = p
			v.r.nack(9, p.SequenceNumber)
		}
	}
	resent := v.r.out.take()
	if len(resent) != len(sent) {
		v.t.Fatalf("%d of %d sent again", len(resent), len(sent))
	}
	for _, p := range resent {
		was := sent[p.SequenceNumber]
		if !bytes.Equal(p.Payload, was.Payload) || !bytes.Equal(p.GetExtension(5), was.GetExtension(5)) {
			v.t.Fatalf("%d is sent again with %x %x, was %x %x", p.SequenceNumber, p.GetExtension(5), p.Payload, was.GetExtension(5), was.Payload)
		}
	}
}

// described are packets of a stream in three temporal layers that its descriptors
// tell, the first of them a key frame, and a function that has each in turn, with
// numbers that go on.
func described(tb testing.TB) (next func() []byte) {
	e := newEncoder(patterns[0].frames, 1, rand.New(rand.NewPCG(1, 2)))
	var raws [][]byte
	for i := range 8*16 + 1 {
		f := e.next(i == 0)
		p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5}, Payload: append(payload(patterns[0].codec, f, i, 0, 1), make([]byte, 1100)...)}
		p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
		if err := p.SetExtension(4, e.descriptor(f, 0, 1)); err != nil {
			tb.Fatal(err)
		}
		raw, err := p.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		raws = append(raws, raw)
	}
	n := 0
	return func() []byte {
		raw := raws[0]
		if n > 0 {
			raw = raws[1+(n-1)%(len(raws)-1)]
		}
		binary.BigEndian.PutUint16(raw[2:], uint16(n))
		binary.BigEndian.PutUint32(raw[4:], uint32(n)*3000)
		n++
		return raw
	}
}

// subscribeThinned has every second of them get the temporal layers up to that one.
func subscribeThinned(up *uptrack.UpTrack, n, temporal int) []*DownTrack {
	downs := subscribe(up, n)
	for i := 1; i < n; i += 2 {
		downs[i].SetAllottedTemporal(temporal)
	}
	return downs
}

func TestThinningAllocatesNothing(t *testing.T) {
	up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: patterns[0].codec, ClockRate: 90000}, DependencyDescriptorExt: 4, NACK: true})
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	downs := subscribeThinned(up, 20, 1)
	next := described(t)
	n := 0
	play := func() {
		if n++; n%100 == 0 {
			downs[1].SetAllottedTemporal(n / 100 % 3)
		}
		in.Receive(next(), nil)
	}
	for range 2000 { // the cache grows to its size
		play()
	}
	if n := testing.AllocsPerRun(2000, play); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	in.End()
	up.Close()
	if all, half := downs[2].Stats().Packets, downs[3].Stats().Packets; all != 4001 || half > all*6/10 {
		t.Fatalf("%d packets were sent, and %d of them thinned", all, half)
	}
}

// BenchmarkDescribed measures a packet of a stream with temporal layers, for
// subscribers that are sent all of them and for such of whom half are not.
func BenchmarkDescribed(b *testing.B) {
	for name, temporal := range map[string]int{"whole": 3, "thinned": 1} {
		for _, down := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/down=%d", name, down), func(b *testing.B) {
				up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: patterns[0].codec, ClockRate: 90000}, DependencyDescriptorExt: 4, NACK: true})
				in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
				subscribeThinned(up, down, temporal)
				next := described(b)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					in.Receive(next(), nil)
				}
				b.StopTimer()
				in.End()
				up.Close()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*down), "ns/fwd")
			})
		}
	}
}
