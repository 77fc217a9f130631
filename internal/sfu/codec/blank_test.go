package codec

import "testing"

func TestBlankFramesAreKeyFramesWithTheCountersOfTheStream(t *testing.T) {
	fields := []Descriptor{
		{},
		{PictureIDOffset: 2, PictureID: 77},
		{PictureIDOffset: 2, LongPictureID: true, PictureID: 30000},
		{PictureIDOffset: 2, LongPictureID: true, PictureID: 1, TL0Offset: 4, TL0: 255},
		{PictureIDOffset: 2, LongPictureID: true, PictureID: 1, TL0Offset: 4, TL0: 9, HasTemporal: true},
		{PictureIDOffset: 2, LongPictureID: true, PictureID: 1, TL0Offset: 4, TL0: 9, KeyIdxOffset: 5, KeyIdx: 31},
		{TL0Offset: 2, TL0: 9, HasTemporal: true, KeyIdxOffset: 3, KeyIdx: 4},
	}
	for _, want := range fields {
		b, ok := AppendBlank(nil, "video/VP8", &want)
		got := Parse(VP8, b)
		if want.Keyframe = true; !ok || got != want {
			t.Errorf("%x is read as %+v, want %+v", b, got, want)
		}
	}
	if b, ok := AppendBlank(nil, "video/h264", &Descriptor{}); !ok || !Parse(H264, b).Keyframe {
		t.Errorf("%x begins nothing", b)
	}
	for _, mime := range []string{"audio/opus", "audio/red"} {
		if b, ok := AppendBlank(nil, mime, &Descriptor{}); !ok || len(b) == 0 {
			t.Errorf("no silence of %s", mime)
		}
	}
	for _, mime := range []string{"video/VP9", "video/AV1", "video/H265", "audio/PCMU", ""} {
		if b, ok := AppendBlank(nil, mime, &Descriptor{}); ok || len(b) != 0 {
			t.Errorf("%x of %s", b, mime)
		}
	}
}
