package whip

import (
	"encoding/hex"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// Beginnings of pictures of 322 by 182, as x264, x265, libaom and libvpx write them.
const (
	avcSPS  = "6742c00dda05467889b0110000030001000003003c0f142aa0"
	avcPPS  = "68ce0fc8"
	avcIDR  = "6588843a0c600141013a390217552f85ff00ae00569b06631b6a1010219101023000"
	hevcVPS = "40010c01ffff01600000030090000003000003003c959809"
	hevcSPS = "42010101600000030090000003000003003ca00a480b9c9596566924caf0168080000003008000000f04"
	hevcPPS = "4401c172b46240"
	hevcIDR = "2801af0858b9f4a0e0bcfc0cfcc68f220f3bc16bf7d075461466136f5be36e46"
	av1Key  = "0a0b000000043d06d4daf9004032cf0c1400a40010de1874972affd37ea8a8e5388a7997fda"
	vp8Key  = "0000009d012a4201b6000000"
)

func raw(tb testing.TB, texts ...string) (b []byte) {
	tb.Helper()
	for _, text := range texts {
		part, err := hex.DecodeString(text)
		if err != nil {
			tb.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

// packets are those of a frame.
func packets(tb testing.TB, mime string) [][]byte {
	tb.Helper()
	const start = "00000001"
	var p rtp.Payloader
	var frame []byte
	switch mime {
	case "video/H264":
		p, frame = &codecs.H264Payloader{}, raw(tb, start, avcSPS, start, avcPPS, start, avcIDR)
	case "video/H265":
		p, frame = &codecs.H265Payloader{}, raw(tb, start, hevcVPS, start, hevcSPS, start, hevcPPS, start, hevcIDR)
	case "video/AV1": // of its frame only what is here
		p, frame = &codecs.AV1Payloader{}, raw(tb, av1Key[:26], "3214", av1Key[32:72])
	case "video/VP8":
		p, frame = &codecs.VP8Payloader{EnablePictureID: true}, raw(tb, vp8Key)
	case "video/VP9":
		// A descriptor with a scalability structure of two layers.
		return [][]byte{raw(tb, "8a8001"+"30"+"00a1005b"+"014200b6"+"498342")}
	}
	return p.Payload(1200, frame)
}

func TestSizeIsReadFromTheBeginningOfAKeyFrame(t *testing.T) {
	for _, mime := range []string{"video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1"} {
		var got size
		for _, b := range packets(t, mime)[:1] {
			got = sizeIn(mime, b)
		}
		if want := (size{322, 182}); got != want {
			t.Errorf("%s: %v, want %v", mime, got, want)
		}
	}
	for mime, b := range map[string][]byte{
		"video/H264": raw(t, avcIDR), "video/H265": raw(t, hevcIDR), "video/VP8": raw(t, "1001020304"), "audio/opus": raw(t, "fc010203"),
	} {
		if got := sizeIn(mime, b); got != (size{}) {
			t.Errorf("%s says %v without a size in it", mime, got)
		}
	}
	// Each alone in a packet, as some encoders have them.
	if got := sizeIn("video/H264", raw(t, avcSPS)); got != (size{322, 182}) {
		t.Error(got)
	}
	if got := sizeIn("video/H265", raw(t, hevcSPS)); got != (size{322, 182}) {
		t.Error(got)
	}
}

// Whatever is in a packet, it is a size or none.
func FuzzSize(f *testing.F) {
	all := []string{"video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1"}
	for i, mime := range all {
		for _, b := range packets(f, mime) {
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, b []byte) { sizeIn(all[int(i)%len(all)], b) })
}
