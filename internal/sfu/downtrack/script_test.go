package downtrack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// script is a stream of three spatial and three temporal layers as encoders repeat
// them.
func script(how interlayer) *scalable {
	e := newScalable(0)
	e.rng, e.spatial, e.temporal, e.how, e.tids = rand.New(rand.NewPCG(7, 7)), 3, 3, how, []int{0, 2, 1, 2}
	e.steady = true
	return e
}

// Both kinds of layers are chosen together: of layers that are made from those below
// at key frames only, those below are not sent; a higher temporal layer is entered at
// the next frame that lets it in, another spatial one at a key frame.
func TestSpatialAndTemporalLayersAreChosenTogether(t *testing.T) {
	for _, tt := range []struct {
		name   string
		how    interlayer
		script string
	}{
		{"each from the one below", always, `
			3 3 key: 00 10 20| 02 12 22| 01 11 21| 02 12 22|
			3 1: 00 10 20| 01 11 21|
			1 1: 00 10| 01 11|
			1 3: 00 10| 02 12| 01 11| 02 12|
			0 0: 00| (asked 0)
			2 3: 00| 02| 01| 02| (asked 1)
			2 3 key: 00 10 20| 02 12 22| 01 11 21| 02 12 22|`},
		{"each from the one below at key frames", atKeyframes, `
			3 3 key: 00 10 20| 22| 21| 22|
			3 0: 20|
			3 3: 20| 22| 21| 22|
			1 1: 20| 21| (asked 1)
			1 1 key: 00 10| 11|
			1 3: 10| 12| 11| 12|
			0 3: 10| 12| 11| 12| (asked 1)
			3 0 key: 00 10 20|`},
	} {
		for _, mime := range []string{"video/AV1", "video/VP9"} {
			t.Run(mime[6:]+", "+tt.name, func(t *testing.T) {
				opts := uptrack.Options{Codec: uptrack.Codec{MimeType: mime, ClockRate: 90000}}
				if mime == "video/AV1" {
					opts.DependencyDescriptorExt = 4
				}
				withRig(t, opts, func(t *testing.T, r *rig) { play4(t, r, mime, tt.how, tt.script) })
			})
		}
	}
}

// play4 plays a script, in each line of which four pictures are sent under limits of
// the spatial and the temporal layer: what comes of them, with a bar where the marker
// is.
func play4(t *testing.T, r *rig, mime string, how interlayer, script4 string) {
	v := newSVC(t, r, mime, 0)
	v.e = script(how)
	plis, active := int64(0), uint32(0)
	for line := range strings.Lines(strings.TrimSpace(script4)) {
		head, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
		want, asked, _ := strings.Cut(want, " (asked ")
		var spatial, temporal int
		_, _ = fmt.Sscan(head, &spatial, &temporal)
		r.down.SetMaxLayer(spatial)
		r.down.SetAllottedTemporal(temporal)
		before := len(v.got)
		for i := range 4 {
			v.plis = r.plis.Load()
			if i == 0 && strings.HasSuffix(head, "key") {
				v.plis--
			}
			v.picture(false)
		}
		if got := r.plis.Load() - plis; strings.TrimSuffix(asked, ")") == "1" != (got > 0) {
			t.Errorf("%s: asked for %d key frames", head, got)
		}
		r.pass(10e9) // a request is repeated a few times, and given up
		plis = r.plis.Load()
		if got := v.layersOf(before); got != want {
			t.Errorf("%s: sent %s, want %s", head, got, want)
		}
		if got := v.layersOf(before); r.down.Stats().Layer != int(got[len(got)-3]-'0') {
			t.Errorf("%s: layer %d is told, sent %s", head, r.down.Stats().Layer, got)
		}
		if mime == "video/AV1" {
			active = v.active(before, active)
			if target := v.e.target(min(spatial, 2), min(temporal, 2)); asked == "" && active>>target != 1 {
				t.Errorf("%s: decode targets %b are told, want %d as the highest", head, active, target)
			}
		}
	}
}

// A stream that loses its spatial layers is thinned in time as before, and in both ways
// when it has them again.
func TestStreamThatLosesItsSpatialLayersIsThinnedStill(t *testing.T) {
	for _, mime := range []string{"video/AV1", "video/VP9"} {
		withRig(t, uptrack.Options{Codec: uptrack.Codec{MimeType: mime, ClockRate: 90000}, DependencyDescriptorExt: 4}, func(t *testing.T, r *rig) {
			v := newSVC(t, r, mime, 0)
			v.e, v.described = script(always), true
			for i, s := range []struct {
				spatial int
				want    string
			}{{3, "00 10| 01 11|"}, {1, "00| 01|"}, {3, "00 10| 01 11|"}} {
				v.e.spatial = s.spatial
				v.e.offset = 16 * i
				r.down.SetMaxLayer(1)
				r.down.SetAllottedTemporal(1)
				before := len(v.got)
				for i := range 4 {
					v.plis = r.plis.Load()
					if i == 0 {
						v.plis--
					}
					v.picture(false)
				}
				if got := v.layersOf(before); got != s.want {
					t.Errorf("%s of %d spatial layers: sent %s, want %s", mime, s.spatial, got, s.want)
				}
			}
		})
	}
}

// layersOf is the spatial and temporal layers of the frames that came.
func (v *svc) layersOf(from int) string {
	var b strings.Builder
	for _, p := range v.got[from:] {
		place, i := placeOf(p)
		if f := v.sent[place]; i == 0 {
			fmt.Fprintf(&b, " %d%d", f.spatial, f.temporal)
		}
		if p.Marker {
			b.WriteString("|")
		}
	}
	return strings.TrimSpace(b.String())
}

// layered are the packets of a stream with layers inside it, one a frame, and a
// function that has each in turn, with numbers that go on.
func layered(tb testing.TB) (next func() []byte) {
	e := script(always)
	var raws [][]byte
	for range 4*14 + 1 {
		for _, f := range e.picture(false) {
			f.packets = 1
			p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, Timestamp: uint32(f.picture) * 3000}, Payload: append(e.av1(f, 0), make([]byte, 1100)...)}
			p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
			if err := p.SetExtension(4, e.descriptor(f, 0)); err != nil {
				tb.Fatal(err)
			}
			raw, err := p.Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			raws = append(raws, raw)
		}
	}
	const descriptorAt = 12 + 4 + 2 // behind the headers of the packet, its extensions and this one
	n, round := 0, len(raws)-3
	return func() []byte {
		i := n
		if n >= 3 { // after the key frame
			i = 3 + (n-3)%round
		}
		raw := raws[i]
		binary.BigEndian.PutUint16(raw[descriptorAt+codec.FrameNumberOffset:], uint16(n))
		binary.BigEndian.PutUint16(raw[2:], uint16(n))
		binary.BigEndian.PutUint32(raw[4:], uint32(n/3)*3000)
		n++
		return raw
	}
}

func TestLayersInsideAStreamAllocateNothing(t *testing.T) {
	up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 4, NACK: true})
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	downs := subscribeThinned(up, 20, 1)
	next := layered(t)
	n := 0
	play := func() {
		if n++; n%100 == 0 {
			downs[1].SetAllottedTemporal(n / 100 % 3)
			downs[5].SetMaxLayer(n / 100 % 3)
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
