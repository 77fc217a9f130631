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

// KeyFrames is how long it is from one key frame to the next of what a job encodes. A
// segment begins with one, so it is a segment's length, or a whole part of that.
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
			n := parts(o.Length, every)
			every = (o.Length + n - 1) / n
		}
	}
	return every
}

// parts is how many of that length at most make a whole, but for what is rounded.
func parts(whole, most time.Duration) time.Duration {
	most = max(most, 1)
	return max((whole-time.Microsecond+most-1)/most, 1)
}

// Due is from when on a key frame ends a segment that is to be of that length. Of what
// is encoded each key frame is with the picture that is nearest, up to half a picture
// early, and of pages the one before may have been late: a segment that waited for the
// rest would be longer by a whole interval.
func (j *Job) Due(length time.Duration) time.Duration {
	if j.Kind != Browse && j.Kind != Encode {
		return length // it has the key frames that it asks for
	}
	framerate := 30
	if j.Encoding != nil {
		framerate = cmp.Or(j.Encoding.Framerate, framerate)
	}
	every := max(j.KeyFrames(), 1)
	keys := parts(length, every)
	if j.Kind == Browse {
		return keys*every - every/2
	}
	early := keys * time.Second / time.Duration(2*framerate)
	return length - min(early, every/2) // not at the one before
}
