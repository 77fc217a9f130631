package codec

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var payloads = []struct {
	name string
	kind Kind
	in   []byte
	want Descriptor
}{
	{"vp8 no extension, key", VP8, []byte{0x10, 0x00}, Descriptor{Keyframe: true}},
	{"vp8 no extension, delta", VP8, []byte{0x10, 0x01}, Descriptor{}},
	{"vp8 key, not the first packet", VP8, []byte{0x00, 0x00}, Descriptor{}},
	{"vp8 key, second partition", VP8, []byte{0x11, 0x00}, Descriptor{}},
	{"vp8 all fields", VP8, []byte{0x90, 0xf0, 0x81, 0x23, 0x45, 0x27, 0x00},
		Descriptor{Keyframe: true, PictureIDOffset: 2, LongPictureID: true, PictureID: 0x123, TL0Offset: 4, TL0: 0x45, KeyIdxOffset: 5, KeyIdx: 7, HasTemporal: true, Sync: true}},
	{"vp8 short picture id, delta", VP8, []byte{0x90, 0x80, 0x7f, 0x01},
		Descriptor{PictureIDOffset: 2, PictureID: 0x7f}},
	{"vp8 tid without keyidx", VP8, []byte{0x90, 0x20, 0x80, 0x00}, Descriptor{Keyframe: true, HasTemporal: true, Temporal: 2}},
	{"vp9 key", VP9, []byte{0x88, 0x05, 0x00}, Descriptor{Keyframe: true, PictureIDOffset: 1, PictureID: 5}},
	{"vp9 inter", VP9, []byte{0xc8, 0x05, 0x00}, Descriptor{PictureIDOffset: 1, PictureID: 5}},
	{"vp9 key, upper spatial layer", VP9, []byte{0xa8, 0x05, 0x02, 0x09}, Descriptor{PictureIDOffset: 1, PictureID: 5, TL0Offset: 3, TL0: 9, HasSpatial: true, Spatial: 1, HasTemporal: true}},
	{"vp9 key, base layer, not flexible", VP9, []byte{0xa8, 0x85, 0x01, 0x00, 0x09}, Descriptor{Keyframe: true, PictureIDOffset: 1, LongPictureID: true, PictureID: 0x501, TL0Offset: 4, TL0: 9, HasSpatial: true, HasTemporal: true}},
	{"vp9 flexible has no tl0", VP9, []byte{0xb8, 0x05, 0x00, 0x09}, Descriptor{Keyframe: true, PictureIDOffset: 1, PictureID: 5, HasSpatial: true, HasTemporal: true}},
	{"vp9 end of a middle layer", VP9, []byte{0xf4, 0x05, 0x03, 0x09}, Descriptor{PictureIDOffset: 1, PictureID: 5, HasSpatial: true, Spatial: 1, LayerEnds: true, HasTemporal: true}},
	// These are what Chromium 156 sends of L3T3_KEY and L3T3 at 640x360.
	{"vp9 key of two layers", VP9, []byte{0xbe, 0xc5, 0x24, 0x10, 0x30, 0x01, 0x40, 0x00}, Descriptor{Keyframe: true, PictureIDOffset: 1, LongPictureID: true, PictureID: 0x4524, HasSpatial: true, LayerEnds: true, HasTemporal: true, Switch: 0b1111, SpatialLayers: 2}},
	{"vp9 base that the layer above does not refer to", VP9, []byte{0xfd, 0xc5, 0x25, 0x50, 0x02, 0x87}, Descriptor{PictureIDOffset: 1, LongPictureID: true, PictureID: 0x4525, HasSpatial: true, LayerEnds: true, Alone: true, HasTemporal: true, Temporal: 2, Switch: 0b1100}},
	{"vp9 base that it refers to", VP9, []byte{0xfc, 0x80, 0xff, 0x30, 0x04, 0x87}, Descriptor{PictureIDOffset: 1, LongPictureID: true, PictureID: 0xff, HasSpatial: true, LayerEnds: true, HasTemporal: true, Temporal: 1, Switch: 0b1110}},
	{"vp9 layer above it", VP9, []byte{0xf9, 0x81, 0x01, 0x13, 0x08, 0x87}, Descriptor{PictureIDOffset: 1, LongPictureID: true, PictureID: 0x101, HasSpatial: true, Spatial: 1, Alone: true, HasTemporal: true, Switch: 0b1111}},
	{"vp9 structure behind three references", VP9, []byte{0xfa, 0x05, 0x00, 0x03, 0x05, 0x06, 0x58}, Descriptor{PictureIDOffset: 1, PictureID: 5, HasSpatial: true, HasTemporal: true, SpatialLayers: 3}},
	{"vp9 structure cut off", VP9, []byte{0xfa, 0x05, 0x00, 0x03, 0x05}, Descriptor{PictureIDOffset: 1, PictureID: 5, HasSpatial: true, HasTemporal: true}},
	{"vp9 temporal layer above those told apart", VP9, []byte{0xe0, 0x05, 0xf0, 0x09}, Descriptor{PictureIDOffset: 1, PictureID: 5, TL0Offset: 3, TL0: 9, HasSpatial: true, HasTemporal: true, Temporal: 3, Switch: 0b1000}},
	{"vp9 middle of a frame", VP9, []byte{0x80, 0x05}, Descriptor{PictureIDOffset: 1, PictureID: 5}},
	{"h264 idr", H264, []byte{0x65, 0x00}, Descriptor{Keyframe: true}},
	{"h264 sps", H264, []byte{0x67, 0x00}, Descriptor{Keyframe: true}},
	{"h264 pps", H264, []byte{0x68, 0x00}, Descriptor{}},
	{"h264 slice", H264, []byte{0x41, 0x00}, Descriptor{}},
	{"h264 stap-a pps, sps", H264, []byte{0x78, 0, 2, 0x68, 0, 0, 1, 0x67}, Descriptor{Keyframe: true}},
	{"h264 stap-a slices", H264, []byte{0x78, 0, 2, 0x41, 0, 0, 1, 0x41}, Descriptor{}},
	{"h264 stap-a lies about its size", H264, []byte{0x78, 0xff, 0xff, 0x41, 0x67}, Descriptor{}},
	{"h264 fu-a idr start", H264, []byte{0x7c, 0x85, 0}, Descriptor{Keyframe: true}},
	{"h264 fu-a idr middle", H264, []byte{0x7c, 0x05, 0}, Descriptor{}},
	{"h265 vps", H265, []byte{0x40, 0x01, 0}, Descriptor{Keyframe: true}},
	{"h265 trailing slice", H265, []byte{0x02, 0x01, 0}, Descriptor{}},
	{"h265 idr", H265, []byte{0x26, 0x01, 0}, Descriptor{Keyframe: true}},
	{"h265 ap with sps", H265, []byte{0x60, 0x01, 0, 2, 0x42, 0x01}, Descriptor{Keyframe: true}},
	{"h265 fu idr start", H265, []byte{0x62, 0x01, 0x93, 0}, Descriptor{Keyframe: true}},
	{"h265 fu idr middle", H265, []byte{0x62, 0x01, 0x13, 0}, Descriptor{}},
	{"av1 new sequence", AV1, []byte{0x18, 0x0a}, Descriptor{Keyframe: true}},
	{"av1 continuation", AV1, []byte{0x98, 0x0a}, Descriptor{}},
	{"av1 delta", AV1, []byte{0x10, 0x32}, Descriptor{}},
	{"audio", Other, []byte{0x10, 0x00}, Descriptor{}},
}

func TestParseTellsKeyframesAndCounters(t *testing.T) {
	for _, tt := range payloads {
		if diff := cmp.Diff(tt.want, Parse(tt.kind, tt.in)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestPutIsTheInverseOfParse(t *testing.T) {
	for _, tt := range payloads {
		b := bytes.Clone(tt.in)
		d := Parse(tt.kind, b)
		d.PictureID = (d.PictureID + 1) & d.PictureIDMask()
		d.TL0++
		d.KeyIdx = (d.KeyIdx + 1) & 0x1f
		d.Put(b)
		got := Parse(tt.kind, b)
		want := d
		if d.PictureIDOffset == 0 {
			want.PictureID = 0
		}
		if d.TL0Offset == 0 {
			want.TL0 = 0
		}
		if d.KeyIdxOffset == 0 {
			want.KeyIdx = 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
		orig := Parse(tt.kind, tt.in)
		orig.Put(b)
		if !bytes.Equal(b, tt.in) {
			t.Errorf("%s: restored to %x, want %x", tt.name, b, tt.in)
		}
	}
}

// A descriptor cut short must not be rewritten: its offsets would point past
// the end.
func TestTruncatedPayloadsKeepOffsetsInside(t *testing.T) {
	for _, tt := range payloads {
		for n := range len(tt.in) {
			checkOffsets(t, tt.kind, tt.in[:n:n])
		}
	}
}

func checkOffsets(t *testing.T, k Kind, b []byte) {
	t.Helper()
	d := Parse(k, b)
	d.Put(b) // panics if an offset is outside
	if d2 := Parse(k, b); d2 != d {
		t.Fatalf("%x of kind %d: putting back changed %+v to %+v", b, k, d, d2)
	}
}

func TestDependencyDescriptor(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		want DependencyDescriptor
		ok   bool
	}{
		{"delta", []byte{0xc1, 0x01, 0x02}, DependencyDescriptor{StartOfFrame: true, EndOfFrame: true, Template: 1, FrameNumber: 0x102}, true},
		{"structure", []byte{0x80, 0x01, 0x02, 0x80}, DependencyDescriptor{StartOfFrame: true, FrameNumber: 0x102, Structure: true}, true},
		{"extended without structure", []byte{0x80, 0x01, 0x02, 0x40}, DependencyDescriptor{StartOfFrame: true, FrameNumber: 0x102, ActiveTargets: true}, true},
		{"short", []byte{0x80, 0x01}, DependencyDescriptor{}, false},
		{"empty", nil, DependencyDescriptor{}, false},
	} {
		got, ok := ParseDependencyDescriptor(tt.in)
		if ok != tt.ok || got != tt.want {
			t.Errorf("%s: got %+v, %v", tt.name, got, ok)
		}
	}
}

func TestKindOfIgnoresCase(t *testing.T) {
	for mime, want := range map[string]Kind{
		"video/VP8": VP8, "video/vp9": VP9, "video/H264": H264, "VIDEO/h265": H265,
		"video/AV1": AV1, "audio/opus": Other, "": Other,
	} {
		if got := KindOf(mime); got != want {
			t.Errorf("KindOf(%q) = %d, want %d", mime, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range payloads {
		f.Add(uint8(tt.kind), tt.in)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		checkOffsets(t, Kind(kind%uint8(AV1+1)), b)
		if d, ok := ParseDependencyDescriptor(b); ok && len(b) < 3 {
			t.Fatalf("descriptor %+v from %d bytes", d, len(b))
		}
	})
}
