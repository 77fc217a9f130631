package keyframe

import "time"

// Interval is the least time between two requests, and the time after which
// one that was not answered is repeated. An encoder needs about that long to
// answer, and a key frame costs as much as a second of video.
const Interval = 500 * time.Millisecond

// maxRepeats bounds what one call of Want leads to: a waiting subscriber
// wants again with the next packet, one that left does not.
const maxRepeats = 6

// Requester throttles and repeats the requests for one layer:
//
//	idle    nobody waits
//	wanted  somebody waits; a request goes out each Interval until
//	        a key frame arrives or the repeats are used up
type Requester struct {
	wanted  bool
	repeats int
	sent    time.Time // last request; zero if none
}

// Want notes that somebody waits, and reports whether to send a request now.
func (r *Requester) Want(now time.Time) (send bool) {
	r.wanted, r.repeats = true, 0
	return r.Poll(now)
}

// Wanted reports whether a key frame is waited for.
func (r *Requester) Wanted() bool { return r.wanted }

// Arrived notes the start of a key frame.
func (r *Requester) Arrived() { r.wanted = false }

// Poll reports whether a request is due.
func (r *Requester) Poll(now time.Time) (send bool) {
	if !r.wanted || !r.sent.IsZero() && now.Sub(r.sent) < Interval {
		return false
	}
	if r.repeats >= maxRepeats {
		r.wanted = false
		return false
	}
	r.repeats++
	r.sent = now
	return true
}

// Next returns when to Poll, zero if there is nothing to wait for.
func (r *Requester) Next() time.Time {
	if !r.wanted {
		return time.Time{}
	}
	return r.sent.Add(Interval)
}
