package outbox

import (
	"sync"
	"time"
)

// looks is how often a Watch looks at everybody in an interval.
const looks = 8

// Watch looks after the connections of one handler, with one timer for all of them:
// whose connection nothing was sent on for the interval is probed, and whose write
// takes too long is cut off. There is no timer while there is nobody.
type Watch struct {
	interval time.Duration // immutable
	start    time.Time     // immutable

	mu    sync.Mutex
	all   map[*Outbox]struct{} // mu guards
	timer *time.Timer          // mu guards; nil while there is nobody
}

// NewWatch returns a Watch that has connections probed within the interval.
func NewWatch(interval time.Duration) *Watch {
	return &Watch{interval: interval, start: time.Now(), all: make(map[*Outbox]struct{})}
}

// now is the time since start, never zero.
func (w *Watch) now() int64 { return int64(time.Since(w.start)) + 1 }

// idle is how long nothing is sent before a connection is probed: if it were more, the
// interval might be over at the next look.
func (w *Watch) idle() time.Duration { return w.interval - w.step() }

func (w *Watch) step() time.Duration { return max(w.interval/looks, time.Millisecond) }

func (w *Watch) add(o *Outbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[o] = struct{}{}
	if w.timer == nil {
		w.timer = time.AfterFunc(w.step(), w.look)
	}
}

func (w *Watch) remove(o *Outbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, o)
	if len(w.all) == 0 && w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// look blocks on nobody.
func (w *Watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return // the last one has left meanwhile
	}
	w.timer.Reset(w.step())
	now := w.now()
	for o := range w.all {
		o.look(now, w.idle())
	}
}

// look probes a connection on which nothing was written for idle, and ends a write
// that takes too long. What was held back is written.
func (o *Outbox) look(now int64, idle time.Duration) {
	if began := o.began.Load(); began != 0 {
		if time.Duration(now-began) > writeTimeout {
			o.stop()
		}
		return
	}
	if o.waits() {
		o.wake() // what was held back
		return
	}
	if time.Duration(now-o.ended.Load()) >= idle {
		select {
		case o.idlec <- struct{}{}:
		default: // it is being probed
		}
	}
}

// waits reports whether anything is queued.
func (o *Outbox) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0
}
