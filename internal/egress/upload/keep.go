package upload

import (
	"math"
	"time"
)

// A recording in segments has thousands of files, and is kept as a whole: of one with
// more than few, what is not worth a write by itself is kept each saveEvery, and no
// more than saveRate bytes a second. What is not kept is sent once more after a crash.
const (
	saveEvery = 10 * time.Second
	saveRate  = 32 << 10
	few       = 32
	// large is what is sent in pieces, in bytes, and worth to be gone on with; in a large
	// parcel it is what is this many times larger.
	large  = 1 << 20
	larger = 16
)

// change changes the parcel, keeps it and wakes the goroutine.
func (s *Sender) change(f func(*Parcel)) { s.set(f, math.MaxInt64) }

// note is change of what need not be kept at once.
func (s *Sender) note(f func(*Parcel)) { s.set(f, 0) }

// set is change of what costs that many bytes to be sent again.
func (s *Sender) set(f func(*Parcel), worth int64) {
	s.mu.Lock()
	f(&s.parcel)
	every := max(saveEvery, time.Duration(s.bytes)*time.Second/saveRate)
	if s.unsaved = true; worth >= max(large, larger*s.bytes) || len(s.parcel.Files) <= few || time.Since(s.saved) >= every {
		s.save()
	}
	s.mu.Unlock()
	s.wake()
}

// save keeps the parcel; mu must be held.
func (s *Sender) save() {
	s.bytes = int64(s.opts.Save(s.parcel.clone()))
	s.saved, s.unsaved = time.Now(), false
}
