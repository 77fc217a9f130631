package peer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// layered is a track of one layer with three temporal ones in it: a quarter of its 32
// frames a second are of the lowest, a quarter of the next.
type layered struct {
	t   *testing.T
	now time.Time
	up  *uptrack.UpTrack
	in  *uptrack.Input
	n   int
}

func newLayered(t *testing.T) *layered {
	l := &layered{t: t, now: time.Unix(100, 0)}
	l.up = uptrack.New(uptrack.Options{
		Codec: uptrack.Codec{MimeType: "video/H264", ClockRate: 90000}, DependencyDescriptorExt: 4, Now: l.clock,
	})
	t.Cleanup(l.up.Close)
	l.in = l.up.AddStream(uptrack.StreamInfo{SSRC: 5})
	return l
}

func (l *layered) clock() time.Time { return l.now }

// frame sends one.
func (l *layered) frame() {
	l.t.Helper()
	// Templates 0, 1 and 2 are of three temporal layers, for as many decode targets.
	structure := []byte{0x80, 0b000_00010, 0b01_01_11_10, 0b10_10_00_10, 0b10_00_00_01}
	descriptor := []byte{0xc0 | []byte{0, 2, 1, 2}[l.n%4], byte(l.n >> 8), byte(l.n)}
	if l.n == 0 {
		descriptor = append(descriptor, structure...)
	}
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(l.n), Timestamp: uint32(l.n) * 90000 / 32},
		Payload: append([]byte{0x41}, make([]byte, 900)...),
	}
	if err := p.SetExtension(4, descriptor); err != nil {
		l.t.Fatal(err)
	}
	raw, err := p.Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	l.in.Receive(raw, nil)
	l.n++
	l.now = l.now.Add(time.Second / 32)
}

// nowhere is where packets end.
type nowhere struct{}

func (nowhere) WriteRTP(_ *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	return len(payload), nil
}

// Who tells its own estimate tells it of what it receives, which may be a part of a layer.
func TestAnEstimateOfTheClientIsComparedWithWhatIsSent(t *testing.T) {
	l := newLayered(t)
	down := downtrack.New(downtrack.Options{Source: l.up, Now: l.clock})
	defer down.Close()
	down.SetMaxFPS(8)
	sender := &Sender{up: l.up, down: down}
	var g budget
	g.starved = func(*Sender) {}
	g.add(sender)
	defer g.close()
	down.Bind(downtrack.Binding{SSRC: 1, PayloadType: 96, Writer: nowhere{}})
	whole := uint64(32 * 8 * 900)
	for second := range 10 {
		for range 32 {
			l.frame()
		}
		g.remb(whole/2, l.now)
		if g.limited {
			t.Fatalf("second %d: half of the layer is not enough for a quarter", second)
		}
	}
	g.remb(whole/8, l.now)
	if !g.limited {
		t.Error("an eighth of the layer is enough for a quarter")
	}
}

// A track may lose its section while it is starved, and get another when nothing is limited.
func TestALimitThatIsGoneIsNotThatOfATrackThatComesBack(t *testing.T) {
	l := newLayered(t)
	down := downtrack.New(downtrack.Options{Source: l.up, Now: l.clock})
	defer down.Close()
	down.Bind(downtrack.Binding{SSRC: 1, PayloadType: 96, Writer: nowhere{}})
	for range 64 {
		l.frame()
	}
	sender := &Sender{up: l.up, down: down}
	g := budget{mayPause: true, starved: func(*Sender) {}}
	defer g.close()
	g.add(sender)
	g.limit(1000)
	if !down.Starved() {
		t.Fatal("it is not starved")
	}
	g.remove(sender)
	g.limit(0)
	g.add(sender)
	if s := down.Stats(); s.Starved || s.Allotted != uptrack.MaxLayers-1 {
		t.Errorf("starved %v, up to layer %d", s.Starved, s.Allotted)
	}
}

// A track takes no more than the frames that its subscriber wishes, and what fits
// of them is sent, by its temporal layers.
func TestStepsOfATrackAreItsTemporalLayersUpToTheWish(t *testing.T) {
	l := newLayered(t)
	up, clock := l.up, l.clock
	down := downtrack.New(downtrack.Options{Source: up, Now: clock})
	defer down.Close()
	for range 32 * 4 {
		l.frame()
	}
	now := l.now
	for _, tt := range []struct {
		fps   uint32
		steps []step
		parts []float64 // of the whole layer
	}{
		{0, []step{{0, 0}, {0, 1}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5, 1}},
		{16, []step{{0, 0}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5}},
		{8, []step{{0, uptrack.AllTemporal}}, []float64{0.25}},
		{60, []step{{0, 0}, {0, 1}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5, 1}},
	} {
		down.SetMaxFPS(tt.fps)
		sh := &share{sender: &Sender{up: up, down: down}}
		sh.measure(now)
		if d := cmp.Diff(tt.steps, sh.steps, cmp.AllowUnexported(step{})); d != "" {
			t.Errorf("%d frames a second (-want +got):\n%s", tt.fps, d)
			continue
		}
		whole := float64(up.Rates(now)[0])
		for i, rate := range sh.rates {
			if part := float64(rate) / whole; part < tt.parts[i]*0.93 || part > tt.parts[i]*1.07 {
				t.Errorf("%d frames a second: step %d takes %.2f of the layer, want %.2f", tt.fps, i, part, tt.parts[i])
			}
		}
	}
}

// Of layers inside a stream that are made from those below at key frames only, the upper
// one takes what it takes alone, and no more than the frames that are wished.
func TestStepsOfLayersInsideAStreamAreOfWhatIsSent(t *testing.T) {
	now := time.Unix(100, 0)
	clock := func() time.Time { return now }
	up := uptrack.New(uptrack.Options{
		Codec: uptrack.Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 4, Now: clock,
	})
	defer up.Close()
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	down := downtrack.New(downtrack.Options{Source: up, Now: clock})
	defer down.Close()
	// As Chromium 156 sends it of L3T3_KEY at 640x360: templates 1 and 6 are of the lowest
	// temporal layer of the two spatial ones, 2 and 7 of the next, 3 and 8 of the highest.
	structure := "\x80\x05\x14\x85\x3a\xaa\xa8\x01\x80\x04\x00\x40\x02\xa0\x2a\x00\x60\x01\x00\x15\xd3\x45\x14\x17\x4d\x14\x4c\x70" +
		"\x08\x74\x32\x16\x51\x11\x85\x43\x27\x68\x09\xf8\x05\x98\x13\xf8\x0b\x38"
	for i := range 2 * 32 * 4 {
		spatial := i % 2
		descriptor := []byte{0xc0 | [...]byte{1, 3, 2, 3}[i/2%4] + 5*byte(spatial), 0, byte(i)}
		if i == 0 {
			descriptor = append([]byte{0xc0, 0, 0}, structure...)
		}
		p := rtp.Packet{
			Header:  rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(i), Timestamp: uint32(i/2) * 90000 / 32},
			Payload: append([]byte{0x10}, make([]byte, 300+600*spatial)...),
		}
		p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
		if err := p.SetExtension(4, descriptor); err != nil {
			t.Fatal(err)
		}
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		in.Receive(raw, nil)
		if spatial == 1 {
			now = now.Add(time.Second / 32)
		}
	}
	for _, tt := range []struct {
		fps   uint32
		steps []step
		parts []float64 // of what the lower layer takes
	}{
		{0, []step{{0, 0}, {0, 1}, {0, uptrack.AllTemporal}, {1, uptrack.AllTemporal}}, []float64{0.25, 0.5, 1, 2.8}},
		{8, []step{{0, uptrack.AllTemporal}, {1, uptrack.AllTemporal}}, []float64{0.25, 0.7}},
	} {
		down.SetMaxFPS(tt.fps)
		sh := &share{sender: &Sender{up: up, down: down}}
		sh.measure(now)
		if d := cmp.Diff(tt.steps, sh.steps, cmp.AllowUnexported(step{})); d != "" {
			t.Errorf("%d frames a second (-want +got):\n%s", tt.fps, d)
			continue
		}
		lower := float64(up.Rates(now)[0])
		for i, rate := range sh.rates {
			if part := float64(rate) / lower; part < tt.parts[i]*0.9 || part > tt.parts[i]*1.1 {
				t.Errorf("%d frames a second: step %d takes %.2f of the lower layer, want %.2f", tt.fps, i, part, tt.parts[i])
			}
		}
	}
}
