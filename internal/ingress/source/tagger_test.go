package source

import (
	"bytes"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

func TestFramesBecomeTags(t *testing.T) {
	for codec, want := range map[container.Codec]flv.Codec{container.VP8: flv.VP8, container.VP9: flv.VP9, container.AV1: flv.AV1, container.Opus: flv.Opus} {
		tags, err := taggerOf(codec)
		if err != nil {
			t.Fatal(err)
		}
		parse := flv.ParseVideo
		if tags.kind == flv.TypeAudio {
			parse = flv.ParseAudio
		}
		for _, key := range []bool{true, codec == container.Opus} {
			bodies := tags.of(frames.Frame{Key: key, Data: []byte("frame")})
			if len(bodies) != 1 {
				t.Fatalf("%s: %d tags", codec, len(bodies))
			}
			if tag, err := parse(bodies[0]); err != nil || tag.Kind != flv.Frame || tag.Codec != want || tag.Key != key || string(tag.Data) != "frame" || tag.CTS != 0 {
				t.Errorf("%s: %+v %v", codec, tag, err)
			}
		}
	}
	if _, err := taggerOf("nonsense"); err == nil {
		t.Error("nonsense has tags")
	}
}

func TestParameterSetsAreToldOnceEach(t *testing.T) {
	tags, err := taggerOf(container.H264)
	if err != nil {
		t.Fatal(err)
	}
	// 320 by 180, of the constrained baseline profile.
	sps := []byte("\x67\x42\xc0\x0d\xda\x05\x06\x7e\x74")
	pps, idr, slice := []byte("\x68\xce\x0f\xc8"), []byte("\x65\x88\x84\x00"), []byte("\x41\x9a\x24\x6c")
	unit := func(units ...[]byte) (b []byte) {
		for _, u := range units {
			b = append(append(b, 0, 0, 0, byte(len(u))), u...)
		}
		return b
	}
	key := frames.Frame{Key: true, Data: unit(sps, pps, idr)}
	bodies := tags.of(key)
	if len(bodies) != 2 {
		t.Fatalf("%d tags", len(bodies))
	}
	config, err := flv.ParseVideo(bodies[0])
	if err != nil || config.Kind != flv.Config {
		t.Fatal(config, err)
	}
	p, err := readPicture(config)
	if err != nil || p.width != 320 || p.height != 180 || len(p.params) != 2 || !bytes.Equal(p.params[0], sps) || !bytes.Equal(p.params[1], pps) {
		t.Errorf("%+v %v", p, err)
	}
	frame, err := flv.ParseVideo(bodies[1])
	if err != nil || frame.Kind != flv.Frame || !frame.Key || !bytes.Equal(frame.Data, key.Data) {
		t.Errorf("%+v %v", frame, err)
	}
	if n := len(tags.of(key)); n != 1 {
		t.Errorf("the same again makes %d tags", n)
	}
	if n := len(tags.of(frames.Frame{Data: unit(slice)})); n != 1 {
		t.Errorf("a picture without makes %d tags", n)
	}
	other := append([]byte(nil), pps...)
	other[3]++
	if n := len(tags.of(frames.Frame{Key: true, Data: unit(sps, other, idr)})); n != 2 {
		t.Errorf("other ones make %d tags", n)
	}
	for n := range key.Data { // whatever is missing, nothing is read past its end
		_ = avcConfig(key.Data[:n])
	}
}

// Whatever a client sends, what is made of it can be read.
func FuzzAVCConfig(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04\x67\x42\xc0\x0d\x00\x00\x00\x04\x68\xce\x0f\xc8"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if config := avcConfig(b); config != nil {
			if _, err := avcParams(config); err != nil {
				t.Error(err)
			}
		}
	})
}
