package wire

import (
	"cmp"
	"time"
)

// From one key frame to the next where nothing else is asked for.
const (
	keyFrames     = 4 * time.Second
	pageKeyFrames = 2 * time.Second
)

// KeyFrames is how long it is from one key frame to the next of what a job encodes. It
// is no longer than a segment, as each begins with one.
func (j *Job) KeyFrames() time.Duration {
	every := keyFrames
	if j.Kind == Browse {
		every = pageKeyFrames
	}
	if j.Encoding != nil && j.Encoding.KeyFrameInterval > 0 {
		every = time.Duration(j.Encoding.KeyFrameInterval * float64(time.Second))
	}
	for _, o := range j.Outputs {
		if o.Kind == Segments && o.Length > 0 {
			every = min(every, o.Length)
		}
	}
	return every
}

// Due is from when on a key frame ends a segment that is to be of that length. Of what
// is encoded each key frame is with the picture that is nearest, up to half a picture
// early: a segment that waited for the rest would be longer by a whole interval.
func (j *Job) Due(length time.Duration) time.Duration {
	if j.Kind != Browse && j.Kind != Encode {
		return length // it has the key frames that it asks for
	}
	framerate := 30
	if j.Encoding != nil {
		framerate = cmp.Or(j.Encoding.Framerate, framerate)
	}
	every := max(j.KeyFrames(), 1)
	keys := (length + every - 1) / every
	early := keys * time.Second / time.Duration(2*framerate)
	return length - min(early, every/2) // not at the one before
}
