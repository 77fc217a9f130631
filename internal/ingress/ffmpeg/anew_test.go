package ffmpeg

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// after has tags come after others.
func after(first, then []tag, gap time.Duration) []tag {
	all := slices.Clone(first)
	for _, one := range then {
		one.at += gap
		all = append(all, one)
	}
	return all
}

// An encoder may change the size of its pictures without a new connection: by a
// configuration of which the frames know nothing.
func TestConfigurationMayChangeInMatroska(t *testing.T) {
	of := func(size string) []tag {
		return source(t, "-f", "lavfi", "-i", "testsrc2=s="+size+":r=30", "-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-f", "flv")
	}
	small, large := of("320x180"), of("480x270")
	config, err := flv.ParseVideo(small[0].body)
	if err != nil || config.Kind != flv.Config {
		t.Fatal(config, err)
	}
	all := after(after(small, large, time.Second), small, 2*time.Second)
	s := newSink()
	tr, err := Start("", Job{
		Pictures: true, PicturesAs: Stream{Codec: flv.H264, Config: config.Data, Width: 320, Height: 180},
		// Matroska is for sound that FLV does not know.
		Sound: true, SoundAs: Stream{Codec: flv.Opus, Channels: 1, Rate: sampleRate}, Opus: &Opus{Bitrate: 64_000, Channels: 1},
		Layers: []Layer{{Width: 160, Height: 90, Bitrate: 300_000}},
	}, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range after(all, silence, 0) {
		if err := tr.Write(one.kind, one.at, one.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	// With the parameters of other pictures it would make up what it cannot decode.
	if n, said := len(s.pictures[0]), tr.said.String(); n != 90 || said != "" {
		t.Errorf("%d pictures of 90, and ffmpeg says %s", n, said)
	}
}

// silence is one packet of Opus.
var silence = []tag{{flv.TypeAudio, 0, []byte("\x91Opus\xf8\xff\xfe")}}

func TestSequenceHeaderMayComeInConfigurationAlone(t *testing.T) {
	// of are frames without the sequence header, which their configuration has.
	of := func(size string) (config []byte, tags []tag) {
		for _, one := range pictures(file(t, "a.ivf", "-f", "lavfi", "-i", "testsrc2=s="+size+":r=30", "-t", "1", "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"), "av01") {
			var obus, rest av1.Bitstream
			if err := obus.Unmarshal(one.body[5:]); err != nil {
				t.Fatal(err)
			}
			for _, o := range obus {
				switch av1.OBUType(o[0] >> 3 & 15) {
				case av1.OBUTypeSequenceHeader:
					b, err := av1.Bitstream{o}.Marshal()
					if err != nil {
						t.Fatal(err)
					}
					config = append([]byte{0x81, 0, 0, 0}, b...)
				case av1.OBUTypeTemporalDelimiter:
				default:
					rest = append(rest, o)
				}
			}
			b, err := rest.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			one.body = append(one.body[:5:5], b...)
			tags = append(tags, one)
		}
		return config, append([]tag{{flv.TypeVideo, 0, append([]byte("\x90av01"), config...)}}, tags...)
	}
	config, small := of("320x180")
	_, large := of("480x270")
	s := run(t, Job{
		Pictures: true, PicturesAs: Stream{Codec: flv.AV1, Config: config, Width: 320, Height: 180},
		Layers: []Layer{{Width: 160, Height: 90, Bitrate: 300_000}},
	}, after(small, large, time.Second), 0)
	if n := len(s.pictures[0]); n != 60 {
		t.Errorf("%d pictures of 60", n)
	}
}

func TestParametersComeOnceBeforeAKeyFrame(t *testing.T) {
	avcC := []byte("\x01\x42\xc0\x0d\xff\xe1\x00\x04\x67\x42\xc0\x0d\x01\x00\x03\x68\xce\x0f")
	want := []byte("\x00\x00\x00\x04\x67\x42\xc0\x0d\x00\x00\x00\x03\x68\xce\x0f")
	config := flv.Tag{Kind: flv.Config, Codec: flv.H264, Data: avcC}
	if got := inBand(config); !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
	for n := range avcC { // nothing is read past the end
		_ = inBand(flv.Tag{Codec: flv.H264, Data: avcC[:n]})
	}
	tr := &Transcoder{picturesHave: avcC}
	frame := func(key bool, data string) string {
		return string(tr.withParams(flv.Tag{Kind: flv.Frame, Codec: flv.H264, Key: key, Data: []byte(data)}))
	}
	if err := tr.configured(config); err != nil || frame(true, "key") != "key" {
		t.Error("what is known is told again", err)
	}
	tr.picturesHave = nil
	if err := tr.configured(config); err != nil || frame(false, "not") != "not" || frame(true, "key") != string(want)+"key" || frame(true, "key") != "key" {
		t.Error("what is new is not told once", err)
	}
	if got := tr.withParams(flv.Tag{Kind: flv.Frame, Codec: flv.AV1, Key: true, Data: []byte("\x12\x00tu")}); string(got) != "\x12\x00tu" {
		t.Errorf("%q", got)
	}
	if err := tr.configured(flv.Tag{Kind: flv.Config, Codec: flv.AV1, Data: []byte("\x81\x00\x00\x00obu")}); err != nil {
		t.Error(err)
	}
	if got := tr.withParams(flv.Tag{Kind: flv.Frame, Codec: flv.AV1, Key: true, Data: []byte("\x12\x00tu")}); string(got) != "\x12\x00obutu" {
		t.Errorf("%q", got)
	}
}

// What cannot be told to a decoder ends the source, and is not decoded as something else.
func TestSoundThatChangesInMatroskaIsRefused(t *testing.T) {
	need(t)
	tr, err := Start("", Job{
		Pictures: true, PicturesAs: Stream{Codec: flv.VP8}, Layers: []Layer{{Bitrate: 300_000}},
		Sound: true, SoundAs: Stream{Codec: flv.AAC, Config: []byte{0x11, 0x90}, Channels: 2, Rate: sampleRate}, Opus: &Opus{Bitrate: 64_000, Channels: 1},
	}, newSink(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	defer tr.Kill()
	if err := tr.Write(flv.TypeAudio, 0, []byte{0xaf, 0, 0x11, 0x90}); err != nil {
		t.Error(err)
	}
	if err := tr.Write(flv.TypeAudio, 0, []byte{0xaf, 0, 0x12, 0x10}); !errors.Is(err, errSoundChanged) {
		t.Error(err)
	}
}
