package ffmpeg

import (
	"sync"
	"time"
)

// maxBacklog is how much may wait for an encoder, of the time of pictures and of its own:
// what a death costs, and by which streams are late.
const maxBacklog = 150 * time.Millisecond

// backlog are the pictures that an encoder has, and how fast it is. Its methods are for
// any goroutine.
//
// The container that a child writes gives a picture out when the next one is in it. So
// the first that has not come is encoded already, unless there never was one.
type backlog struct {
	step time.Duration // from one picture to the next

	mu    sync.Mutex
	under []given
	came  time.Time // when the last came; zero before the first
	takes time.Duration
}

// given is a picture that has not come out.
type given struct {
	n  int64
	at time.Time // when it was given
}

// put notes that a picture was given.
func (b *backlog) put(n int64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under = append(b.under, given{n, now})
}

// out notes that a picture came: the one after it is encoded. How long one takes is a
// mean of the last few.
func (b *backlog) out(n int64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := 0
	for i < len(b.under) && b.under[i].n <= n {
		i++
	}
	b.under = b.under[i:]
	if len(b.under) > 0 && !b.came.IsZero() {
		took := now.Sub(later(b.under[0].at, b.came))
		b.takes += (took - b.takes) / 4
	}
	b.came = now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begun says whether a picture has come out.
func (b *backlog) begun() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.came.IsZero()
}

// full says whether the picture of that number would wait for too long.
func (b *backlog) full(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := b.under
	if len(waiting) > 0 && !b.came.IsZero() {
		waiting = waiting[1:]
	}
	if len(waiting) == 0 {
		return false
	}
	return time.Duration(n-waiting[0].n)*b.step >= maxBacklog || time.Duration(len(waiting))*b.takes >= maxBacklog
}
