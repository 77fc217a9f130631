package frames

import "time"

const (
	// lagSpan is how many seconds count in which something came.
	lagSpan = 10
	// lagRoom is what is waited for beyond what has been seen.
	lagRoom = 40 * time.Millisecond
	// fresh is how long a track does not count: it begins with what was sent before it
	// was asked for, since its last key frame.
	fresh = time.Second
)

// Lag says how long to wait for all that was captured at one moment: as long as it took
// to come in the last seconds, and no longer. It is for one goroutine.
type Lag struct {
	least, most time.Duration
	worst       [lagSpan]time.Duration // of a second each, in a ring
	newest      int                    // index
	turns       time.Time              // when the newest is over
	since       map[uint16]time.Time   // when the first came of a track
}

// NewLag begins with a guess, which counts for ten seconds. It never says less than
// least, or more than most.
func NewLag(guess, least, most time.Duration) *Lag {
	l := &Lag{least: least, most: most, since: make(map[uint16]time.Time)}
	l.worst[0] = guess - lagRoom
	return l
}

// Came notes that something of a track that was captured at one moment is here at
// another.
func (l *Lag) Came(track uint16, captured, now time.Time) {
	since, known := l.since[track]
	if !known {
		l.since[track] = now
		return
	}
	if now.Sub(since) < fresh {
		return
	}
	if now.After(l.turns) { // seconds in which nothing came say nothing
		if !l.turns.IsZero() {
			l.newest = (l.newest + 1) % lagSpan
			l.worst[l.newest] = 0
		}
		l.turns = now.Add(time.Second)
	}
	l.worst[l.newest] = max(l.worst[l.newest], now.Sub(captured))
}

// Forget says that nothing more comes of a track.
func (l *Lag) Forget(track uint16) { delete(l.since, track) }

// Wait is how long after its moment all is here.
func (l *Lag) Wait() time.Duration {
	worst := time.Duration(0)
	for _, w := range l.worst {
		worst = max(worst, w)
	}
	return min(max(worst+lagRoom, l.least), l.most)
}
