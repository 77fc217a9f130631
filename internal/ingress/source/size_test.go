//go:build unix

package source

import (
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// keyVP8 is the body of a tag with the beginning of a key frame of that size (RFC 6386
// §9.1).
func keyVP8(width, height uint16) []byte {
	b := append([]byte{0x80 | 1<<4 | 1}, "vp08\x10\x02\x00\x9d\x01\x2a"...)
	b = binary.LittleEndian.AppendUint16(b, width)
	return append(binary.LittleEndian.AppendUint16(b, height), 0, 0)
}

// No decoder is handed a picture that takes gigabytes, neither the first nor a later
// one.
func TestPicturesThatAreTooLargeEndTheSource(t *testing.T) {
	for _, size := range [][2]uint16{{16383, 16383}, {16383, 16}, {16, 16383}, {8192, 1153}} {
		f := newFeed(session(t), frozen(t), nil, slog.New(slog.DiscardHandler))
		f.client, f.awaits = true, true
		if err := f.take(t.Context(), flv.TypeVideo, 0, keyVP8(size[0], size[1])); err == nil || !strings.Contains(err.Error(), "4096 x 2304") {
			t.Errorf("the first of %v: %v", size, err)
		}

		f = newFeed(session(t), frozen(t), nil, slog.New(slog.DiscardHandler))
		f.encoding, f.started, f.pictures = true, true, &picture{codec: flv.VP8, width: 640, height: 360, order: ordered}
		f.layers, f.video = make([]*layer, 1), new(ingress.Track)
		if err := f.startChild(ffmpeg.Job{Pictures: true, PicturesAs: f.pictures.stream(), Layers: []ffmpeg.Layer{{Bitrate: 300_000}}}); err != nil {
			t.Fatal(err)
		}
		for _, may := range [][2]uint16{{640, 360}, {4096, 2304}, {2304, 4096}, {8192, 1152}} {
			if err := f.take(t.Context(), flv.TypeVideo, 0, keyVP8(may[0], may[1])); err != nil {
				t.Errorf("%v: %v", may, err)
			}
		}
		if err := f.take(t.Context(), flv.TypeVideo, 0, keyVP8(size[0], size[1])); err == nil || !strings.Contains(err.Error(), "4096 x 2304") {
			t.Errorf("a later one of %v: %v", size, err)
		}
		f.close(true)
	}
}

// Pictures of H.264 may change their size by what stands before them alone.
func TestSizeIsReadOfParameterSetsInBand(t *testing.T) {
	sps := "\x67\x42\xc0\x0d\xda\x05\x06\x7e\x74" // 320 by 180
	data := []byte("\x00\x00\x00\x02\x09\xf0\x00\x00\x00\x09" + sps + "\x00\x00\x00\x04\x65\x88\x84\x00")
	if w, h := sizeOf(flv.Tag{Codec: flv.H264, Kind: flv.Frame, Key: true, Data: data}); w != 320 || h != 180 {
		t.Errorf("%d x %d", w, h)
	}
	for n := range data { // nothing is read past the end
		_, _ = sizeOf(flv.Tag{Codec: flv.H264, Data: data[:n]})
	}
}
