package studio

import "time"

const (
	// slack is how far behind drawing may be for each picture that is repeated after one
	// that is drawn.
	slack = 125 * time.Millisecond
	// maxRepeats is how often one picture is repeated at most.
	maxRepeats = 9
)

// pace says which pictures are drawn while the machine is too slow for all of them:
// what is not is the picture before it again, which costs an encoder little. So no more
// than a moment waits for the encoder, which a death would cost, and by which streams
// would be late.
type pace struct {
	// debt is how late it was from the beginning on: a recording begins with what was
	// published before it, and catches up.
	debt     time.Duration
	repeats  int   // that are to come
	repeated int64 // so far
}

// draw says whether a picture is drawn that is so late.
func (p *pace) draw(late time.Duration) bool {
	p.debt = max(min(p.debt, late), 0)
	if p.repeats > 0 {
		p.repeats--
		p.repeated++
		return false
	}
	p.repeats = int(min((late-p.debt)/slack, maxRepeats))
	return true
}
