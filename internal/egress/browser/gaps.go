package browser

import "time"

// gaps are where pictures are missing: from one that the browser's encoder had no time
// for to the next that it has encoded, another is seen. Times are those of pictures.
type gaps struct {
	count int64
	all   time.Duration // of those that are closed
	open  bool
	from  time.Duration // the open one's
	last  time.Duration // of all pictures, there or not
}

// dropped notes a picture that was left out.
func (g *gaps) dropped(at time.Duration) {
	g.count++
	g.last = max(g.last, at)
	if !g.open {
		g.open, g.from = true, at
	}
}

// seen notes one that was encoded. Those that were captured before a gap may come
// after it was noted.
func (g *gaps) seen(at time.Duration) {
	g.last = max(g.last, at)
	if g.open && at > g.from {
		g.open = false
		g.all += at - g.from
	}
}

// missing is for how long pictures are the ones before them.
func (g *gaps) missing() time.Duration {
	if g.open {
		return g.all + g.last - g.from
	}
	return g.all
}
