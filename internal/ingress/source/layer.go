package source

import (
	"sync"
	"sync/atomic"
	"time"
)

// A layer writes pictures of one encoding. The source makes key frames when it
// likes, and who comes to a room just after one would wait for the next. So what has
// come since the last is kept until somebody asks for a key frame for the first time:
// then nobody has seen anything yet, and all of it is written once more, quickly: in
// the time between the last picture and the next, so that time never goes back.
type layer struct {
	write func(data []byte, pts time.Duration) error
	drop  func() // counts a picture that is left out; may be nil

	wanted atomic.Bool // somebody needs a key frame

	mu     sync.Mutex
	begun  bool          // mu guards; a key frame was written
	served bool          // mu guards; it was asked for, and written
	since  [][]byte      // mu guards; from the last key frame on
	size   int           // mu guards; bytes of it
	last   time.Duration // mu guards; when the last picture is shown
}

// What is kept for the first who comes is bounded.
const (
	maxSince      = 300     // pictures
	maxSinceBytes = 8 << 20 // bytes
)

// want is called when a key frame is needed. It does not block.
func (l *layer) want() { l.wanted.Store(true) }

// put writes a picture. What cannot be decoded, for it comes before the first key
// frame, is left out.
func (l *layer) put(data []byte, pts time.Duration, key bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun && !key || len(data) == 0 {
		if l.drop != nil {
			l.drop()
		}
		return nil
	}
	last := l.last
	l.begun, l.last = true, pts
	if l.served {
		return l.write(data, pts)
	}
	if key {
		l.since, l.size = l.since[:0], 0
	}
	if l.wanted.Load() {
		l.served = true
		step := (pts - last) / time.Duration(len(l.since)+1)
		for i, again := range l.since {
			if err := l.write(again, last+time.Duration(i+1)*step); err != nil {
				return err
			}
		}
		l.since = nil
		return l.write(data, pts)
	}
	if key || len(l.since) > 0 { // else there was too much of it
		l.since = append(l.since, append([]byte(nil), data...))
		if l.size += len(data); l.size > maxSinceBytes || len(l.since) > maxSince {
			l.since = nil
		}
	}
	return l.write(data, pts)
}
