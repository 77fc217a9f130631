package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

func words(layers []ffmpeg.Layer) string {
	var all []string
	for _, l := range layers {
		all = append(all, fmt.Sprintf("%dx%d@%v:%dk", l.Width, l.Height, l.FrameRate, l.Bitrate/1000))
	}
	return strings.Join(all, " ")
}

// Every preset makes the layers that its name says, of a source that is as large.
func TestPresetsMakeTheLayersOfTheirNames(t *testing.T) {
	large := picture{codec: flv.H264, width: 1920, height: 1080}
	want := map[string]string{
		"H264_720P_30FPS_3_LAYERS":              "320x180@30:237k 640x360@30:671k 1280x720@30:1900k",
		"H264_1080P_30FPS_3_LAYERS":             "480x270@30:437k 960x540@30:1237k 1920x1080@30:3500k",
		"H264_540P_25FPS_2_LAYERS":              "480x270@25:353k 960x540@25:1000k",
		"H264_720P_30FPS_1_LAYER":               "1280x720@30:1900k",
		"H264_1080P_30FPS_1_LAYER":              "1920x1080@30:3500k",
		"H264_720P_30FPS_3_LAYERS_HIGH_MOTION":  "320x180@30:312k 640x360@30:883k 1280x720@30:2500k",
		"H264_1080P_30FPS_3_LAYERS_HIGH_MOTION": "480x270@30:562k 960x540@30:1590k 1920x1080@30:4500k",
		"H264_540P_25FPS_2_LAYERS_HIGH_MOTION":  "480x270@25:459k 960x540@25:1300k",
		"H264_720P_30FPS_1_LAYER_HIGH_MOTION":   "1280x720@30:2500k",
		"H264_1080P_30FPS_1_LAYER_HIGH_MOTION":  "1920x1080@30:4500k",
	}
	for n, name := range livekit.IngressVideoEncodingPreset_name {
		preset := livekit.IngressVideoEncodingPreset(n)
		o := &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: preset}}
		layers, err := layersOf(o, large)
		if err != nil || words(layers) != want[name] {
			t.Errorf("%s: %s, want %s (%v)", name, words(layers), want[name], err)
		}
		if encodesTo(o) != flv.H264 {
			t.Errorf("%s is %s", name, encodesTo(o))
		}
		// Nothing becomes larger than it comes, and what stands upright does so.
		small, err := layersOf(o, picture{width: 180, height: 320})
		if top := small[len(small)-1]; err != nil || top.Width != 180 || top.Height != 320 {
			t.Errorf("%s of a small source: %s (%v)", name, words(small), err)
		}
	}
	if len(livekit.IngressVideoEncodingPreset_name) != len(want) {
		t.Errorf("there are %d presets", len(livekit.IngressVideoEncodingPreset_name))
	}
}

func TestLayersAreThoseOfTheOptions(t *testing.T) {
	options := func(o *livekit.IngressVideoEncodingOptions) *livekit.IngressVideoOptions {
		return &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{Options: o}}
	}
	source := picture{codec: flv.H264, width: 1280, height: 720}
	for _, tc := range []struct {
		o    *livekit.IngressVideoOptions
		want string
		to   flv.Codec
	}{
		{nil, "", flv.H264},
		{&livekit.IngressVideoOptions{Name: "x"}, "", flv.H264},
		{options(&livekit.IngressVideoEncodingOptions{VideoCodec: livekit.VideoCodec_VP8}), "320x180@0:237k 640x360@0:671k 1280x720@0:1900k", flv.VP8},
		{options(&livekit.IngressVideoEncodingOptions{VideoCodec: livekit.VideoCodec_H264_BASELINE, FrameRate: 15, Layers: []*livekit.VideoLayer{
			{Quality: livekit.VideoQuality_HIGH, Width: 1920, Height: 1080, Bitrate: 3_000_000}, {Quality: livekit.VideoQuality_LOW, Width: 160, Height: 90},
		}}), "160x90@15:83k 1280x720@15:3000k", flv.H264},
	} {
		layers, err := layersOf(tc.o, source)
		if err != nil || words(layers) != tc.want || encodesTo(tc.o) != tc.to {
			t.Errorf("%v: %s to %s, want %s (%v)", tc.o, words(layers), encodesTo(tc.o), tc.want, err)
		}
	}
}

func TestSoundIsEncodedAsTheOptionsSay(t *testing.T) {
	preset := func(p livekit.IngressAudioEncodingPreset) *livekit.IngressAudioOptions {
		return &livekit.IngressAudioOptions{EncodingOptions: &livekit.IngressAudioOptions_Preset{Preset: p}}
	}
	options := func(o *livekit.IngressAudioEncodingOptions) *livekit.IngressAudioOptions {
		return &livekit.IngressAudioOptions{EncodingOptions: &livekit.IngressAudioOptions_Options{Options: o}}
	}
	for _, tc := range []struct {
		o        *livekit.IngressAudioOptions
		channels int // of the source
		want     ffmpeg.Opus
	}{
		{nil, 2, ffmpeg.Opus{Bitrate: 96_000, Channels: 2}},
		{nil, 1, ffmpeg.Opus{Bitrate: 64_000, Channels: 1}},
		{nil, 6, ffmpeg.Opus{Bitrate: 96_000, Channels: 2}},
		{preset(livekit.IngressAudioEncodingPreset_OPUS_STEREO_96KBPS), 1, ffmpeg.Opus{Bitrate: 96_000, Channels: 2}},
		{preset(livekit.IngressAudioEncodingPreset_OPUS_MONO_64KBS), 2, ffmpeg.Opus{Bitrate: 64_000, Channels: 1}},
		{options(&livekit.IngressAudioEncodingOptions{Channels: 1, Bitrate: 32_000}), 2, ffmpeg.Opus{Bitrate: 32_000, Channels: 1}},
		{options(&livekit.IngressAudioEncodingOptions{Bitrate: 4_000_000}), 2, ffmpeg.Opus{Bitrate: 510_000, Channels: 2}},
		{options(&livekit.IngressAudioEncodingOptions{}), 1, ffmpeg.Opus{Bitrate: 64_000, Channels: 1}},
	} {
		if got := opusOf(tc.o, sound{channels: tc.channels}); *got != tc.want {
			t.Errorf("%v of %d channels: %+v, want %+v", tc.o, tc.channels, *got, tc.want)
		}
	}
}
