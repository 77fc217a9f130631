package bwe

import (
	"math"
	"time"
)

const (
	lossWindow  = 500 * time.Millisecond
	lossPackets = 20 // at least, to judge
	// lossExcess is the loss, beyond what is lost whatever the rate, that a
	// connection too narrow makes.
	lossExcess = 0.10
	// lossTries is how often giving way must have been in vain before a loss
	// is taken for one that has nothing to do with the rate.
	lossTries = 2
)

// window is what came in one.
type window struct{ received, lost int }

// reordering is for how many windows one late packet has the next ones judged
// later.
const reordering = 20

// arrived notes a packet; late, that it was counted as lost.
func (l *loss) arrived(late bool) {
	l.received++
	if !late {
		return
	}
	l.reorders = reordering
	if l.lost > 0 {
		l.lost--
	} else {
		l.last.lost = max(l.last.lost-1, 0)
	}
}

// loss tells packets lost to a narrow link from those lost anyway.
type loss struct {
	since          time.Time
	received, lost int
	// On a path that changes the order of packets, what is missing may still come:
	// there a window is judged when the next one is over.
	last     window
	reorders int // windows for which that is believed

	inherent float64 // lost whatever the rate
	before   float64 // when the rate was last lowered for it
	tries    int
	waiting  bool // for the effect of that
}

// excessive judges the last window, if one is over: whether the rate is to
// blame for what was lost in it.
func (l *loss) excessive(now time.Time) bool {
	if l.since.IsZero() {
		l.since = now
	}
	if now.Sub(l.since) < lossWindow || l.received+l.lost < lossPackets {
		return false
	}
	judged := window{l.received, l.lost}
	l.since, l.received, l.lost = now, 0, 0
	if l.reorders > 0 {
		l.reorders--
		judged, l.last = l.last, judged
	}
	n := judged.received + judged.lost
	if n < lossPackets {
		return false
	}
	share := float64(judged.lost) / float64(n)
	if l.waiting {
		l.waiting = false
		if share < 0.8*l.before {
			l.tries = 0
		} else if l.tries++; l.tries >= lossTries {
			l.tries, l.inherent = 0, max(l.inherent, share)
		}
	}
	// What chance alone makes of few packets does not count.
	doubt := 2 * math.Sqrt(share*(1-share)/float64(n))
	if share-doubt <= l.inherent+lossExcess {
		l.inherent += (share - l.inherent) / 10
		return false
	}
	l.before, l.waiting = share, true
	return true
}

// restart begins a window: the rate has changed.
func (l *loss) restart(now time.Time) {
	l.since, l.received, l.lost, l.last = now, 0, 0, window{}
}
