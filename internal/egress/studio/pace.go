package studio

import "time"

const (
	// slack is how far behind drawing may be for each picture that is repeated after one
	// that is drawn.
	slack = 125 * time.Millisecond
	// maxWait is how far behind it may be and still wait for pictures that are being
	// decoded.
	maxWait = 4 * slack
	// starting is how many pictures may be late because children are being started.
	starting = 15
	// maxRepeats is how often one picture is repeated at most.
	maxRepeats = 9
)

// pace says which pictures are drawn while the machine is too slow for all of them:
// what is not is the picture before it again, which costs an encoder little. So no more
// than a moment waits for the encoder, which a death would cost, and by which streams
// would be late.
type pace struct {
	// debt is how late it was from the beginning on: a recording begins with what was
	// published before it, and with programs that have to start. That is caught up, by a
	// tenth of the time at least.
	debt     time.Duration
	begun    int           // pictures of the first
	behind   time.Duration // how late the last was beyond that
	repeats  int           // that are to come
	repeated int64         // so far
}

// hurries says whether there is no time to wait for pictures.
func (p *pace) hurries() bool { return p.behind > maxWait }

// draw says whether a picture is drawn that is so late; from one to the next it is a
// step.
func (p *pace) draw(late, step time.Duration) bool {
	if p.begun < starting {
		p.begun++
		p.debt = max(p.debt, late)
	}
	p.debt = max(min(p.debt-step/10, late), 0)
	p.behind = late - p.debt
	if p.repeats > 0 {
		p.repeats--
		p.repeated++
		return false
	}
	p.repeats = int(max(min(p.behind/slack, maxRepeats), 0))
	return true
}
