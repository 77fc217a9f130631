package browser

import (
	"path"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
)

// Error says what a page cannot be recorded into.
type Error struct {
	Code string // as Twirp spells it
	Msg  string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// ErrorCode returns the code as Twirp spells it.
func (e *Error) ErrorCode() string { return e.Code }

// Check says whether outputs can be made of what a browser encodes; its errors are
// of *Error.
func Check(outputs []request.Output, encoding *livekit.EncodingOptions) error {
	switch encoding.GetVideoCodec() {
	case livekit.VideoCodec_DEFAULT_VC, livekit.VideoCodec_H264_BASELINE, livekit.VideoCodec_H264_MAIN, livekit.VideoCodec_H264_HIGH, livekit.VideoCodec_VP8:
	default:
		return &Error{"invalid_argument", "video_codec: pages are recorded in H264 or VP8"}
	}
	for _, o := range outputs {
		switch {
		case o.File != nil:
			if o.File.FileType == livekit.EncodedFileType_MP3 || strings.EqualFold(path.Ext(o.File.Filepath), ".mp3") {
				return notYet("MP3 of a page")
			}
		case o.Segments != nil:
			if o.Segments.Protocol == livekit.SegmentedFileProtocol_HLS_PROTOCOL {
				return notYet("MPEG-TS of a page")
			}
		default:
			return notYet("a stream or images of a page")
		}
	}
	return nil
}

func notYet(what string) error {
	return &Error{"unimplemented", what + " is not available yet: pages are recorded into files of MP4, WebM and Ogg"}
}
