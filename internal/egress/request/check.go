package request

import (
	"net/url"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Limits of what is asked for.
const (
	maxOutputs = 16
	// MaxStreams is how many destinations a stream may have at a time.
	MaxStreams = 32
	// MaxURL and MaxLayout are how long those may be, in bytes: a worker is told of them in
	// one piece, which has its bounds.
	MaxURL    = 4096
	MaxLayout = 16 << 10
	maxEdge   = 8192 // pixels
)

// check says what is wrong with what was read.
func (r *Request) check() error {
	s := &r.Source
	switch {
	case s.Kind != Web && r.Room == "":
		return wrong("room_name", "is required")
	case !s.Audio && !s.Video && s.Kind == Tracks:
		return wrong("audio_track_id", "or video_track_id is required")
	case !s.Audio && !s.Video:
		return wrong("audio_only", "and video_only exclude each other")
	case s.Kind == Participant && s.Identity == "":
		return wrong("identity", "is required")
	case s.Kind == Web && !isURL(s.URL, "http", "https"):
		return wrong("url", "has to begin with https:// or http://")
	case len(s.Layout) > MaxLayout:
		return wrong("layout", "is longer than %d bytes", MaxLayout)
	case s.BaseURL != "" && !isURL(s.BaseURL, "http", "https"):
		return wrong("custom_base_url", "has to begin with https:// or http://")
	}
	return r.checkOutputs()
}

func isURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || len(s) > MaxURL {
		return false
	}
	for _, scheme := range schemes {
		if strings.EqualFold(u.Scheme, scheme) {
			return true
		}
	}
	return false
}

func (r *Request) checkOutputs() error {
	var files, streams, segments, sockets int
	if len(r.Outputs) == 0 {
		return wrong("outputs", "are required: file, segments, stream or images")
	}
	if len(r.Outputs) > maxOutputs {
		return wrong("outputs", "are more than %d", maxOutputs)
	}
	for i := range r.Outputs {
		o := &r.Outputs[i]
		switch {
		case o.File != nil:
			files++
			if o.File.FileType == livekit.EncodedFileType_MCAP {
				return wrong("file_type", "MCAP cannot be written")
			}
		case o.Stream != nil:
			streams++
			if err := checkStream(o.Stream); err != nil {
				return err
			}
		case o.Segments != nil:
			segments++
			if o.Segments.SegmentDuration > 3600 {
				return wrong("segment_duration", "is more than an hour")
			}
		case o.Images != nil:
			if o.Images.Width < 0 || o.Images.Height < 0 || o.Images.Width > maxEdge || o.Images.Height > maxEdge {
				return wrong("image_outputs", "want a picture of %d×%d", o.Images.Width, o.Images.Height)
			}
			if !r.Source.Video {
				return wrong("image_outputs", "want pictures of what has none")
			}
		case o.Socket != "":
			sockets++
			if !isURL(o.Socket, "ws", "wss") {
				return wrong("websocket_url", "has to begin with wss:// or ws://")
			}
		default:
			return wrong("outputs", "have one of file, stream, segments and images each")
		}
	}
	switch {
	case files > 1:
		return wrong("file_outputs", "are more than one")
	case streams > 1:
		return wrong("stream_outputs", "are more than one: one may have many urls")
	case segments > 1:
		return wrong("segment_outputs", "are more than one")
	case sockets > 0 && len(r.Outputs) > 1:
		return wrong("outputs", "to a WebSocket cannot have others beside them")
	}
	return nil
}

func checkStream(s *livekit.StreamOutput) error {
	urls := append([]string(nil), s.Urls...)
	for _, d := range s.Destinations {
		if d.GetId() == "" {
			return wrong("destinations", "have an id each")
		}
		urls = append(urls, d.GetUrl())
	}
	if len(urls) == 0 {
		return wrong("urls", "or destinations are required for a stream")
	}
	if len(urls) > MaxStreams {
		return wrong("urls", "are more than %d", MaxStreams)
	}
	for _, u := range urls {
		if err := CheckStreamURL(u, s.Protocol); err != nil {
			return err
		}
	}
	return nil
}

// CheckStreamURL says what is wrong with a destination of a stream. One in which
// RedactStreamURL would not find the key is refused.
func CheckStreamURL(u string, p livekit.StreamProtocol) error {
	long := isURL(u, "rtmp", "rtmps")
	rtmp := long || shortURL.MatchString(u)
	srt := isURL(u, "srt")
	switch {
	case len(u) > MaxURL:
		return wrong("urls", "have one that is longer than %d bytes", MaxURL)
	case p == livekit.StreamProtocol_RTMP && !rtmp, p == livekit.StreamProtocol_SRT && !srt, !rtmp && !srt:
		return wrong("urls", "have one that does not fit: want rtmp://, rtmps://, mux://, twitch:// or srt://, as the protocol says")
	case long && !rtmpURL.MatchString(u) && !authURL.MatchString(u):
		return wrong("urls", "have one without an application and a key: want rtmp://host/app/key, without spaces")
	case srt:
		return checkSRT(u)
	}
	return nil
}

// checkSRT refuses what would be no connection to somebody else: the program that
// sends opens a port for the other modes.
func checkSRT(u string) error {
	parsed, err := url.Parse(u)
	if err != nil || parsed.Hostname() == "" || parsed.Port() == "" || strings.ContainsAny(u, "# \t\r\n") {
		return wrong("urls", "have an srt:// that is none: want srt://host:port?options")
	}
	options, err := url.ParseQuery(parsed.RawQuery)
	if err != nil {
		return wrong("urls", "have an srt:// whose options cannot be read")
	}
	for _, mode := range options["mode"] {
		if mode != "caller" {
			return wrong("urls", "have an srt:// of mode %.16q: only caller can be", mode)
		}
	}
	return nil
}

// presets are those of the API. 30 frames a second are left out.
var presets = map[livekit.EncodingOptionsPreset]*livekit.EncodingOptions{
	livekit.EncodingOptionsPreset_H264_720P_30:           {Width: 1280, Height: 720, VideoBitrate: 3000},
	livekit.EncodingOptionsPreset_H264_720P_60:           {Width: 1280, Height: 720, VideoBitrate: 4500, Framerate: 60},
	livekit.EncodingOptionsPreset_H264_1080P_30:          {Width: 1920, Height: 1080, VideoBitrate: 4500},
	livekit.EncodingOptionsPreset_H264_1080P_60:          {Width: 1920, Height: 1080, VideoBitrate: 6000, Framerate: 60},
	livekit.EncodingOptionsPreset_PORTRAIT_H264_720P_30:  {Width: 720, Height: 1280, VideoBitrate: 3000},
	livekit.EncodingOptionsPreset_PORTRAIT_H264_720P_60:  {Width: 720, Height: 1280, VideoBitrate: 4500, Framerate: 60},
	livekit.EncodingOptionsPreset_PORTRAIT_H264_1080P_30: {Width: 1080, Height: 1920, VideoBitrate: 4500},
	livekit.EncodingOptionsPreset_PORTRAIT_H264_1080P_60: {Width: 1080, Height: 1920, VideoBitrate: 6000, Framerate: 60},
}

// encode reads how to encode: not at all unless it is given.
func (r *Request) encode(given bool, preset livekit.EncodingOptionsPreset, advanced *livekit.EncodingOptions) error {
	if !given {
		return nil
	}
	e := &livekit.EncodingOptions{}
	if advanced != nil {
		e = proto.CloneOf(advanced)
	} else if p := presets[preset]; p != nil {
		e = proto.CloneOf(p)
	} else {
		return wrong("preset", "%v is none for this", preset)
	}
	for _, n := range []struct {
		name               string
		value              *int32
		other, least, most int32
	}{
		{"width", &e.Width, 1920, 16, maxEdge}, {"height", &e.Height, 1080, 16, maxEdge},
		{"depth", &e.Depth, 24, 8, 24}, {"framerate", &e.Framerate, 30, 1, 120},
		{"audio_bitrate", &e.AudioBitrate, 128, 6, 1000}, {"audio_frequency", &e.AudioFrequency, 44100, 8000, 96000},
		{"video_bitrate", &e.VideoBitrate, 4500, 16, 100_000},
	} {
		if *n.value == 0 {
			*n.value = n.other
		}
		if *n.value < n.least || *n.value > n.most {
			return wrong(n.name, "is %d: want %d to %d", *n.value, n.least, n.most)
		}
	}
	switch {
	case e.Width%2 != 0 || e.Height%2 != 0:
		return wrong("width", "and height have to be even")
	case e.Depth%8 != 0:
		return wrong("depth", "is %d: want 8, 16 or 24", e.Depth)
	case !(e.KeyFrameInterval >= 0 && e.KeyFrameInterval <= 3600):
		return wrong("key_frame_interval", "is none")
	}
	r.Encoding = e
	return nil
}
