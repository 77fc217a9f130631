package ffmpeg

import "errors"

var (
	// ErrMissing says that there is no ffmpeg. Its text is shown to people.
	ErrMissing = errors.New("ffmpeg is not installed on the server (Debian package ffmpeg)")
	// ErrFailed says that the child ended by itself.
	ErrFailed = errors.New("ffmpeg failed")
	// ErrStuck says that the child was ended for it took nothing any more. Its text is
	// shown to people.
	ErrStuck = errors.New("ffmpeg has taken nothing for 10 s: has the server too little CPU?")
)
