package ffmpeg

import "errors"

var (
	// ErrMissing says that there is no ffmpeg. Its text is shown to people.
	ErrMissing = errors.New("ffmpeg is not installed on the server (Debian package ffmpeg)")
	// ErrFailed says that the child ended by itself.
	ErrFailed = errors.New("ffmpeg failed")
)
