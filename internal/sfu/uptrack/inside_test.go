package uptrack

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
)

// descriptors of two spatial and three temporal layers, as Chromium 156 sends them of
// L3T3_KEY and L3T3 at 640x360: the first frame has the structure, whose templates 1 and
// 6 are of the frames that follow of the lowest temporal layer, 2 and 7 of the middle
// one, 3 and 8 of the highest.
var (
	keyed   = []byte("\xc0\x00\x01\x80\x05\x14\x85\x3a\xaa\xa8\x01\x80\x04\x00\x40\x02\xa0\x2a\x00\x60\x01\x00\x15\xd3\x45\x14\x17\x4d\x14\x4c\x70\x08\x74\x32\x16\x51\x11\x85\x43\x27\x68\x09\xf8\x05\x98\x13\xf8\x0b\x38")
	chained = []byte("\xc1\x00\x01\x80\x05\x14\x85\x3a\xbf\xaa\xa1\x8f\x04\x30\x43\x02\xa0\x2a\x00\x60\x01\x00\x1b\x93\x45\x15\xe0\x82\x70\x46\x08\xc0\xc7\x87\x00\x43\x21\x65\x11\x11\x54\x32\x76\x80\x9f\x80\x59\x81\x3f\x80\xb3\x80")
)

// layered feeds a track with such frames, 32 pictures a second of which the parts are of
// 100 and 300 bytes.
type layered struct {
	t      *testing.T
	u      *UpTrack
	in     *Input
	now    time.Time
	seq    uint16
	number uint16
	got    Packet // the last
}

func newLayered(t *testing.T) *layered {
	l := &layered{t: t, now: time.Unix(1, 0)}
	l.u = New(Options{Codec: Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 2, Now: func() time.Time { return l.now }})
	t.Cleanup(func() { end(l.u) })
	l.u.Attach(sinkFunc(func(p *Packet) { l.got = *p }))
	l.in = l.u.AddStream(StreamInfo{SSRC: 5})
	return l
}

func (l *layered) frame(descriptor []byte, size int) {
	l.t.Helper()
	l.seq++
	l.number++
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, SequenceNumber: l.seq, Timestamp: uint32(l.now.UnixNano() / 11111)}, Payload: make([]byte, size)}
	p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
	descriptor = append([]byte{descriptor[0], byte(l.number >> 8), byte(l.number)}, descriptor[3:]...)
	if err := p.SetExtension(2, descriptor); err != nil {
		l.t.Fatal(err)
	}
	raw, err := p.Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	l.in.Receive(raw, nil)
}

// play sends pictures of the spatial layers up to one, the first with the structure.
func (l *layered) play(structure []byte, top, pictures int) {
	l.t.Helper()
	for i := range pictures {
		for spatial := range top + 1 {
			descriptor := []byte{0xc0 | [...]byte{1, 3, 2, 3}[i%4] + 5*byte(spatial), 0, 0}
			if i == 0 && spatial == 0 {
				descriptor = structure
			}
			l.frame(descriptor, 100+200*spatial)
		}
		l.now = l.now.Add(time.Second / 32)
	}
}

// Of layers that are made from those below at key frames only, each takes what it takes
// alone.
func TestRatesOfLayersInsideAStreamAreOfWhatIsSentWithThem(t *testing.T) {
	for _, tt := range []struct {
		name      string
		structure []byte
		upper     float64 // of what the lower one takes
	}{{"keyed", keyed, 3}, {"chained", chained, 4}} {
		l := newLayered(t)
		l.play(tt.structure, 1, 96)
		rates := l.u.Rates(l.now)
		if ratio := float64(rates[1]) / float64(rates[0]); ratio < tt.upper*0.7 || ratio > tt.upper*1.1 {
			t.Errorf("%s: the layers take %v", tt.name, rates)
		}
		own := l.u.OwnRates(l.now)
		if ratio := float64(own[1]) / float64(own[0]); ratio < 2 || ratio > 3 || own[0] != rates[0] {
			t.Errorf("%s: the layers take %v alone", tt.name, own)
		}
		for spatial := range 2 {
			parts, frames := l.u.TemporalRates(spatial, l.now), l.u.FrameRates(spatial, l.now)
			if parts[2] != rates[spatial] || parts[0] > parts[2]*3/10 || parts[1] > parts[2]*6/10 || parts[3] != 0 {
				t.Errorf("%s: temporal layers of %d take %v of %d", tt.name, spatial, parts, rates[spatial])
			}
			if frames[0] < 7 || frames[0] > 9 || frames[1] < 15 || frames[1] > 17 || frames[2] < 31 || frames[2] > 33 {
				t.Errorf("%s: temporal layers of %d have %v frames a second", tt.name, spatial, frames)
			}
		}
		if got, want := l.u.FrameRates(3, l.now), l.u.FrameRates(1, l.now); got != want {
			t.Errorf("%s: above the highest there are %v frames a second, want %v", tt.name, got, want)
		}
	}
}

// Layers are live when their sender says that it makes them, and not any more when it
// says that it does not, or when they have not come for a second.
func TestLayersInsideAStreamAreLiveAsTheSenderSays(t *testing.T) {
	l := newLayered(t)
	want := func(why string, live uint8, active uint32) {
		t.Helper()
		if d := cmp.Diff([]any{live, live, active}, []any{l.u.Live(), l.got.Inside, l.got.Active}); d != "" {
			t.Errorf("%s (-want +got):\n%s", why, d)
		}
	}
	l.frame(keyed, 100)
	want("by the structure", 0b11, 0b111111)
	l.play(keyed, 1, 40)
	want("both come", 0b11, 0b111111)
	l.play(keyed, 0, 20)
	want("one comes", 0b11, 0b111111)
	l.play([]byte{0xc1, 0, 0}, 0, 20)
	want("for more than a second", 0b01, 0b000111)
	l.play(keyed, 0, 1)
	want("a key frame that says nothing new", 0b01, 0b000111)
	l.frame([]byte{0xc1, 0, 0, 0b01000_000, 0b111_00000}, 100)
	l.frame([]byte{0xc1, 0, 0, 0b01000_111, 0b111_00000}, 100)
	want("all are made", 0b11, 0b111111)
	l.frame([]byte{0xc1, 0, 0, 0b01000_000, 0b011_00000}, 100)
	want("the upper layers are not", 0b01, 0b000011)
	p := Packet{}
	if !l.u.Retrieve(0, 1<<16+uint64(l.seq), make([]byte, 2000), &p) || p.Structure == nil || p.Active != 0b000011 || p.Inside != 0b01 {
		t.Errorf("the same of the cache: %+v", p)
	}
}
