package studio

import "time"

const (
	// slack is how far behind drawing may be: pictures that are later are left out.
	slack = 125 * time.Millisecond
	// maxStart is how late it may be because programs have to start.
	maxStart = 300 * time.Millisecond
)

// pace says which pictures are drawn while the machine is too slow for all of them. What
// is not is left out: what is seen stays for longer, at no cost. So no more than a
// moment waits for the encoder, which a death would cost, and by which streams would
// be late; and sound, which always goes on, is in step.
type pace struct {
	// debt is how late pictures may be beyond that: a recording begins with what was
	// published before it, and with programs that have to start. It is caught up in the
	// time that it is long, or what is left of it is left out.
	debt    time.Duration
	most    time.Duration // of debt
	at      time.Duration // on the clock, since the first picture: when debt was that
	behind  time.Duration // how late the last was beyond it
	dropped int64
}

// begin says how late the first picture is already.
func (p *pace) begin(late time.Duration) { p.debt, p.most = late, late+maxStart }

// encoderState is that of the encoder for the next picture.
type encoderState struct {
	starting bool // nothing has come of it so far
	full     bool // the picture would wait
}

// draw says whether the picture of that time, which is so late, is drawn. One that the
// encoder has no room for may have to be waited with.
func (p *pace) draw(due, late time.Duration, e encoderState) bool {
	now := due + late
	if e.starting {
		p.debt = min(max(p.debt, late), p.most)
	} else {
		p.debt -= max(now-p.at, 0)
	}
	p.at = now
	p.debt = max(min(p.debt, late), 0)
	p.behind = late - p.debt
	wait := e.starting || p.debt > 0
	if e.full && !wait || p.behind > slack {
		p.dropped++
		return false
	}
	return true
}

// patience is how long pictures that are being decoded may be waited for.
func (p *pace) patience(e encoderState) time.Duration {
	if e.starting || p.debt > 0 {
		return decodePatience
	}
	return max(slack-p.behind, 0)
}
