package source

import (
	"math"
	"strconv"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// reference is a size and what it takes to look well at 30 frames a second.
const (
	referenceArea    = 1280 * 720
	referenceBitrate = 1_900_000
	smallestBitrate  = 80_000
)

// bitrateOf is what a size takes: less than its share, as larger pictures have more
// in common with themselves.
func bitrateOf(width, height, reference int) int {
	share := float64(width) * float64(height) / referenceArea
	return max(int(float64(reference)*math.Pow(share, 0.75)), smallestBitrate)
}

// layersOf are the encodings that the options ask for, smallest first; none: pictures
// may go as they come.
func layersOf(o *livekit.IngressVideoOptions, p picture) ([]ffmpeg.Layer, error) {
	switch o := o.GetEncodingOptions().(type) {
	case *livekit.IngressVideoOptions_Preset:
		return presetLayers(o.Preset, p), nil
	case *livekit.IngressVideoOptions_Options:
		layers := explicitLayers(o.Options.GetLayers(), p)
		for i := range layers {
			layers[i].FrameRate = o.Options.GetFrameRate()
		}
		return layers, nil
	}
	return nil, nil
}

// encodesTo is what pictures are encoded to, if they are.
func encodesTo(o *livekit.IngressVideoOptions) flv.Codec {
	if o.GetOptions().GetVideoCodec() == livekit.VideoCodec_VP8 {
		return flv.VP8
	}
	return flv.H264
}

// usualPreset is what video is encoded to of a source of which only that is said.
const usualPreset = livekit.IngressVideoEncodingPreset_H264_720P_30FPS_3_LAYERS

// grown is a picture of the same shape that fills any box.
func (p picture) grown() picture {
	p.width, p.height = p.width*maxSide, p.height*maxSide
	return p
}

// maxSide is the longest side of a picture, in pixels.
const maxSide = 8192

// presetLayers reads the preset's name, such as H264_720P_30FPS_3_LAYERS_HIGH_MOTION.
func presetLayers(preset livekit.IngressVideoEncodingPreset, p picture) []ffmpeg.Layer {
	parts := strings.Split(preset.String(), "_")
	if len(parts) < 5 {
		return nil // one that this version does not know; the API refuses them
	}
	height, _ := strconv.Atoi(strings.TrimSuffix(parts[1], "P"))
	fps, _ := strconv.ParseFloat(strings.TrimSuffix(parts[2], "FPS"), 64)
	count, _ := strconv.Atoi(parts[3])
	bitrate := map[int]int{540: 1_000_000, 720: 1_900_000, 1080: 3_500_000}[height]
	if strings.HasSuffix(preset.String(), "HIGH_MOTION") {
		bitrate = map[int]int{540: 1_300_000, 720: 2_500_000, 1080: 4_500_000}[height]
	}
	boxWidth := height * 16 / 9
	width, high := fit(p, boxWidth, height)
	// The bitrate is for the preset's size; a smaller source needs less.
	bitrate = max(int(float64(bitrate)*math.Pow(float64(width*high)/float64(boxWidth*height), 0.75)), smallestBitrate)
	layers := halves(width, high, bitrate, count)
	for i := range layers {
		layers[i].FrameRate = fps
	}
	return layers
}

// explicitLayers are those of the request, by quality, or halves of the source's
// size.
func explicitLayers(asked []*livekit.VideoLayer, p picture) (layers []ffmpeg.Layer) {
	if len(asked) == 0 {
		width, height := fit(p, 1920, 1080)
		count := 1
		if min(width, height) >= 480 {
			count = 3
		} else if min(width, height) >= 240 {
			count = 2
		}
		return halves(width, height, bitrateOf(width, height, referenceBitrate), count)
	}
	for quality := livekit.VideoQuality_LOW; quality <= livekit.VideoQuality_HIGH; quality++ {
		for _, l := range asked {
			if l.GetQuality() != quality {
				continue
			}
			width, height := fit(p, int(l.Width), int(l.Height))
			bitrate := int(l.Bitrate)
			if bitrate == 0 {
				bitrate = bitrateOf(width, height, referenceBitrate)
			}
			layers = append(layers, ffmpeg.Layer{Width: width, Height: height, Bitrate: bitrate})
		}
	}
	return layers
}

// halves are count layers, each half as large as the next.
func halves(width, height, bitrate, count int) (layers []ffmpeg.Layer) {
	for down := count - 1; down >= 0; down-- {
		w, h := even(width>>down), even(height>>down)
		if down > 0 && (w < 16 || h < 16) {
			continue
		}
		share := math.Pow(1/float64(int(1)<<(2*down)), 0.75)
		layers = append(layers, ffmpeg.Layer{Width: w, Height: h, Bitrate: max(int(float64(bitrate)*share), smallestBitrate)})
	}
	return layers
}

// fit is the source's size made smaller, until it is within the box, which stands
// upright for pictures that do.
func fit(p picture, width, height int) (int, int) {
	if p.width == 0 || p.height == 0 {
		return even(width), even(height)
	}
	if (p.height > p.width) != (height > width) {
		width, height = height, width
	}
	scale := min(float64(width)/float64(p.width), float64(height)/float64(p.height), 1)
	return even(int(math.Round(float64(p.width) * scale))), even(int(math.Round(float64(p.height) * scale)))
}

func even(n int) int { return max(n&^1, 2) }

// opusOf is how sound is encoded.
func opusOf(o *livekit.IngressAudioOptions, s sound) *ffmpeg.Opus {
	channels := min(max(s.channels, 1), 2)
	bitrate := 0
	switch o := o.GetEncodingOptions().(type) {
	case *livekit.IngressAudioOptions_Preset:
		if channels = 2; o.Preset == livekit.IngressAudioEncodingPreset_OPUS_MONO_64KBS {
			channels = 1
		}
	case *livekit.IngressAudioOptions_Options:
		if n := int(o.Options.GetChannels()); n > 0 {
			channels = n
		}
		bitrate = int(o.Options.GetBitrate())
	}
	if bitrate == 0 {
		bitrate = [3]int{1: 64_000, 2: 96_000}[channels]
	}
	return &ffmpeg.Opus{Bitrate: min(max(bitrate, 6_000), 510_000), Channels: channels}
}

// mimeTypes are those of tracks.
var mimeTypes = map[flv.Codec]string{
	flv.H264: "video/H264", flv.H265: "video/H265", flv.AV1: "video/AV1", flv.VP9: "video/VP9", flv.VP8: "video/VP8",
	flv.Opus: "audio/opus", flv.AAC: "audio/aac", flv.MP3: "audio/mpeg",
}
