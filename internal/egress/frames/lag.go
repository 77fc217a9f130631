package frames

import "time"

const (
	// lagTurns is how many spans of lagTurn count in which something came: two minutes. A
	// network that lost something will again, and what is late then is not heard.
	lagTurns = 10
	lagTurn  = 12 * time.Second
	// lagRoom is what is waited for beyond what has been seen.
	lagRoom = 40 * time.Millisecond
)

// Lag says how long to wait for all that was captured at one moment: as long as it took
// to come in the last minutes, and no longer; but while something is missing that may
// still come, as long as it may. It is for one goroutine.
type Lag struct {
	least, most time.Duration
	worst       [lagTurns]time.Duration // of a turn each, in a ring
	newest      int                     // index
	turns       time.Time               // when the newest is over
	since       map[uint16]time.Time    // when the first came of a track
	gaps        map[uint16]bool         // tracks of which something is missing
}

// NewLag returns one that never says less than least, or more than most.
func NewLag(least, most time.Duration) *Lag {
	return &Lag{least: least, most: most, since: make(map[uint16]time.Time), gaps: make(map[uint16]bool)}
}

// Came notes that something of a track that was captured at one moment is here at
// another. What was captured before the first of the track was here does not count: it
// may have been sent before it was asked for, since its last key frame.
func (l *Lag) Came(track uint16, captured, now time.Time) {
	since, known := l.since[track]
	if !known {
		since = now
		l.since[track] = now
	}
	if captured.Before(since) {
		return
	}
	if now.After(l.turns) { // time in which nothing came says nothing
		if !l.turns.IsZero() {
			l.newest = (l.newest + 1) % lagTurns
			l.worst[l.newest] = 0
		}
		l.turns = now.Add(lagTurn)
	}
	l.worst[l.newest] = max(l.worst[l.newest], now.Sub(captured))
}

// Gap says whether something of a track is missing that may still come: what follows it
// is here already.
func (l *Lag) Gap(track uint16, open bool) {
	if open {
		l.gaps[track] = true
	} else {
		delete(l.gaps, track)
	}
}

// Forget says that nothing more comes of a track.
func (l *Lag) Forget(track uint16) {
	delete(l.since, track)
	delete(l.gaps, track)
}

// Wait is how long after its moment all is here.
func (l *Lag) Wait() time.Duration {
	if len(l.gaps) > 0 {
		return l.most
	}
	worst := time.Duration(0)
	for _, w := range l.worst {
		worst = max(worst, w)
	}
	return min(max(worst+lagRoom, l.least), l.most)
}
