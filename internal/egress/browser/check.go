package browser

import "github.com/livekit/protocol/livekit"

// Error says what a page cannot be recorded into.
type Error struct {
	Code string // as Twirp spells it
	Msg  string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// ErrorCode returns the code as Twirp spells it.
func (e *Error) ErrorCode() string { return e.Code }

// Check says whether a browser encodes pictures so; its errors are of *Error.
func Check(encoding *livekit.EncodingOptions) error {
	switch encoding.GetVideoCodec() {
	case livekit.VideoCodec_DEFAULT_VC, livekit.VideoCodec_H264_BASELINE, livekit.VideoCodec_H264_MAIN, livekit.VideoCodec_H264_HIGH, livekit.VideoCodec_VP8:
	default:
		return &Error{"invalid_argument", "video_codec: pages are recorded in H264 or VP8"}
	}
	return nil
}
