package ingress

import (
	"slices"

	"github.com/livekit/protocol/livekit"
)

// validate says what is wrong with an endpoint. The texts are those of LiveKit,
// which scripts compare.
func validate(info *livekit.IngressInfo) error {
	bad := func(what string) error { return refuse(InvalidArgument, "invalid ingress: %s", what) }
	switch info.InputType {
	case livekit.IngressInput_RTMP_INPUT, livekit.IngressInput_WHIP_INPUT:
		if info.StreamKey == "" {
			return bad("no stream key")
		}
	case livekit.IngressInput_URL_INPUT:
		switch {
		case info.Url == "":
			return bad("no source URL")
		case info.Enabled != nil && !*info.Enabled:
			return bad("disabled non reusable ingress")
		case info.RoomName == "":
			return bad("no room name")
		}
	default:
		return bad("unsupported input type")
	}
	if info.ParticipantIdentity == "" {
		return bad("no participant identity")
	}
	if err := validateTranscoding(info); err != nil {
		return err
	}
	if err := validateVideo(info.Video); err != nil {
		return err
	}
	return validateAudio(info.Audio)
}

// transcodes says whether the endpoint may encode anew.
func transcodes(info *livekit.IngressInfo) bool {
	if info.EnableTranscoding != nil {
		return *info.EnableTranscoding
	}
	return info.InputType != livekit.IngressInput_WHIP_INPUT && !info.BypassTranscoding //nolint:staticcheck // older clients write it
}

func validateTranscoding(info *livekit.IngressInfo) error {
	bad := func(what string) error {
		return refuse(InvalidArgument, "invalid transcoding bypass configuration: %s", what)
	}
	switch transcoding := transcodes(info); {
	case info.InputType != livekit.IngressInput_WHIP_INPUT && !transcoding:
		return bad("bypassing transcoding impossible with selected input type")
	case !transcoding && info.Video.GetEncodingOptions() != nil:
		return bad("video encoding options must be empty if transcoding is disabled")
	case !transcoding && info.Audio.GetEncodingOptions() != nil:
		return bad("audio encoding options must be empty if transcoding is disabled")
	}
	return nil
}

func validateVideo(video *livekit.IngressVideoOptions) error {
	bad := func(what string) error { return refuse(InvalidArgument, "invalid video parameters: %s", what) }
	sources := []livekit.TrackSource{livekit.TrackSource_UNKNOWN, livekit.TrackSource_CAMERA, livekit.TrackSource_SCREEN_SHARE}
	if !slices.Contains(sources, video.GetSource()) {
		return bad("invalid track source")
	}
	switch o := video.GetEncodingOptions().(type) {
	case *livekit.IngressVideoOptions_Preset:
		if _, ok := livekit.IngressVideoEncodingPreset_name[int32(o.Preset)]; !ok {
			return bad("invalid preset")
		}
	case *livekit.IngressVideoOptions_Options:
		switch {
		case o.Options == nil:
			return bad("empty options")
		case !(o.Options.FrameRate >= 0 && o.Options.FrameRate <= 240):
			return bad("invalid framerate")
		}
		switch o.Options.VideoCodec {
		case livekit.VideoCodec_DEFAULT_VC, livekit.VideoCodec_H264_BASELINE, livekit.VideoCodec_VP8:
		default:
			return bad("video codec unsupported")
		}
		return validateLayers(o.Options.Layers)
	}
	return nil
}

// maxSide is the longest side of a picture, in pixels: the largest level of H.264
// ends there.
const maxSide = 8192

func validateLayers(layers []*livekit.VideoLayer) error {
	bad := func(what string) error { return refuse(InvalidArgument, "invalid video parameters: %s", what) }
	byQuality := make(map[livekit.VideoQuality]*livekit.VideoLayer)
	for _, l := range layers {
		switch {
		case l.GetWidth() == 0 || l.GetHeight() == 0 || l.Width > maxSide || l.Height > maxSide:
			return bad("invalid output media dimensions")
		case l.Width%2 == 1:
			return refuse(InvalidArgument, "invalid ingress: layer width must be even")
		case l.Height%2 == 1:
			return refuse(InvalidArgument, "invalid ingress: layer height must be even")
		case byQuality[l.Quality] != nil:
			return bad("more than one layer with the same quality level")
		case l.Quality < livekit.VideoQuality_LOW || l.Quality > livekit.VideoQuality_HIGH:
			return bad("invalid quality level")
		}
		byQuality[l.Quality] = l
	}
	var width, height uint32
	for q := livekit.VideoQuality_LOW; q <= livekit.VideoQuality_HIGH; q++ {
		l := byQuality[q]
		switch {
		case l == nil:
			continue
		case l.Height < height:
			return bad("video layers do not have increasing height with increasing quality")
		case l.Width < width:
			return bad("video layers do not have increasing width with increasing quality")
		}
		width, height = l.Width, l.Height
	}
	return nil
}

func validateAudio(audio *livekit.IngressAudioOptions) error {
	bad := func(what string) error { return refuse(InvalidArgument, "invalid audio parameters: %s", what) }
	sources := []livekit.TrackSource{livekit.TrackSource_UNKNOWN, livekit.TrackSource_MICROPHONE, livekit.TrackSource_SCREEN_SHARE_AUDIO}
	if !slices.Contains(sources, audio.GetSource()) {
		return bad("invalid track source")
	}
	switch o := audio.GetEncodingOptions().(type) {
	case *livekit.IngressAudioOptions_Preset:
		if _, ok := livekit.IngressAudioEncodingPreset_name[int32(o.Preset)]; !ok {
			return bad("invalid preset")
		}
	case *livekit.IngressAudioOptions_Options:
		switch {
		case o.Options == nil:
			return bad("empty options")
		case o.Options.AudioCodec != livekit.AudioCodec_DEFAULT_AC && o.Options.AudioCodec != livekit.AudioCodec_OPUS:
			return bad("audio codec unsupported")
		case o.Options.Channels > 2:
			return bad("invalid audio channel count")
		}
	}
	return nil
}
