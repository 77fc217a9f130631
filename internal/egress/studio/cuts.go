package studio

import (
	"cmp"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// cuts say where segments end that are to be of one length.
type cuts struct {
	due     time.Duration // from when on a key frame ends one
	longest time.Duration // that one can be: what lists promise
	step    time.Duration // how long the last frame of all is taken to be
}

const (
	// pageGap is how long it is at most from one picture of a page that does not move to
	// the next.
	pageGap = 350 * time.Millisecond
	// soundFrame is how many samples a frame of AAC or MP3 has at most.
	soundFrame = 1152
)

// cutsOf are those of what a job encodes with these settings.
func cutsOf(job wire.Job, length time.Duration, s ffmpeg.Settings) cuts {
	if s.Video == "" { // cut anywhere, before it is too long
		frame := soundFrame * time.Second / time.Duration(cmp.Or(s.AudioFrequency, defaults.AudioFrequency))
		return cuts{due: length - frame, longest: length, step: frame}
	}
	c := cuts{due: job.Due(length), step: time.Second / 30}
	if job.Kind == wire.Browse {
		// A key frame is with the first picture that comes when one is due.
		c.longest = whole(length, s.KeyFrames) + pageGap
		if pageGap > s.KeyFrames/2 { // one may be so late that the next comes too soon
			c.longest += s.KeyFrames / 2
		}
		return c
	}
	c.longest = whole(length, s.KeyInterval())
	return c
}

// bound is the most that a segment may play: a list's promise is in whole seconds, and
// holds for lengths that are rounded to such.
func (c cuts) bound() time.Duration {
	return whole(c.longest, time.Second) + 450*time.Millisecond
}

// whole is the least that is no less than a length, and made of whole intervals, but for
// what is rounded.
func whole(length, every time.Duration) time.Duration {
	every = max(every, 1)
	return max((length-time.Microsecond+every-1)/every, 1) * every
}
