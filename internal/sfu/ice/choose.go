package ice

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const (
	// silence is how long nothing comes from where a client was before it counts as
	// having moved: longer than the pause between our checks and those of most clients.
	silence = 3 * time.Second

	// streamDelay is how long a path over UDP that the client has checked is waited for,
	// when there is one over TCP: four tries.
	streamDelay = 4 * step

	// firstHold is how long a path stays in use at least before the client's
	// nominations of one of lower rank count.
	firstHold = 2 * time.Second
)

// choose has the path be used.
func (a *Agent) choose(p *pair, now time.Time) {
	if a.chosen != nil {
		p.value = max(p.value, a.chosen.value) // later nominations have higher ones
	}
	p.left = false
	a.path, a.chosen, a.since = p.path, p, now
	a.nominee, a.former = nil, nil
	for _, q := range a.pairs {
		q.due = time.Time{}
	}
	a.opts.Selected(p.path)
}

// propose nominates a path that the client has checked with our first check of it, if
// no other is nominated: it works one way, and most likely the other. The client
// remembers until it has checked the path itself (RFC 8445 §7.3.1.5), and so there is
// a path after one round trip instead of two. TCP waits, as UDP may be about to work.
func (a *Agent) propose(p *pair, now time.Time) {
	if a.controlling && a.chosen == nil && a.nominee == nil && !p.path.Stream() {
		a.nominee, a.proposed = p, now
	}
}

// better nominates a path over UDP that the client has checked while one over TCP is in
// use, and reports whether it is nominated newly: the client's first check, or the answer
// to ours, was lost, and TCP was quicker.
func (a *Agent) better(p *pair, now time.Time) bool {
	if !a.controlling || a.chosen == nil || !a.chosen.path.Stream() || p.path.Stream() || p == a.nominee {
		return false
	}
	a.nominee, a.proposed = p, now
	return true
}

// nominate nominates the best of the valid paths (RFC 8445 §8.1.1), if none is
// nominated or that one answers late. TCP waits longer for UDP, of which a packet may
// have been lost.
func (a *Agent) nominate(now time.Time, s Sender) {
	if !a.controlling || !a.started || a.chosen != nil || a.nominee != nil && (a.nominee.valid || now.Sub(a.proposed) < step) {
		return
	}
	var best *pair
	for _, p := range a.pairs {
		if p.valid && (best == nil || p.rank() > best.rank()) {
			best = p
		}
	}
	if best == nil || a.nominee != nil && best.path.Stream() && now.Sub(a.proposed) < streamDelay {
		return
	}
	a.nominee, a.proposed, best.tries = best, now, 0
	a.check(best, now, s)
}

// wish remembers that the client nominates the path.
func (p *pair) wish(m *stun.Message, now time.Time) {
	p.insists = !p.wished.IsZero() && now.Sub(p.wished) <= silence
	p.wished = now
	if m.Nominates {
		p.value = max(p.value, m.Nomination)
	}
}

// follow uses a path that the client has nominated, if it is the one that the client
// means. Values of nominations say so, if it gives them. Others say with each check
// that they want to use the path which they use, those of higher rank as well, and in
// the beginning all: so a path of lower rank must be nominated repeatedly, after that
// in use had its time; and one that the client has left so must be, to be used again.
// That time doubles with each such change, for clients that nominate everything.
func (a *Agent) follow(p *pair, now time.Time) {
	c := a.chosen
	switch {
	case p.wished.IsZero() || p == c:
		return
	case c == nil || a.opts.Lite:
	case now.Sub(p.wished) > silence:
		return
	case p.value != c.value:
		if p.value < c.value {
			return
		}
	case a.silent(now):
	case p.rank() > c.rank() && !p.left:
	case p.insists && now.Sub(a.since) >= a.hold:
		c.left = true
		a.hold *= 2
	default:
		return
	}
	a.choose(p, now)
}

// followLast uses the path that the client nominated last, before the session was
// started.
func (a *Agent) followLast(now time.Time) {
	var last *pair
	for _, p := range a.pairs {
		if !p.wished.IsZero() && (last == nil || p.wished.After(last.wished)) {
			last = p
		}
	}
	if last != nil {
		a.choose(last, now)
	}
}

// followMoved uses a path that the client has checked, if it is no longer where it
// was and does not know it: a router on the way has forgotten its table, and begun a
// new one. The client sees its checks answered and does nothing; what we send goes
// nowhere. ICE has no rule for that. A check that somebody has repeated from elsewhere is
// authentic as well, so one of ours must have been answered there. To TCP it leads only
// from TCP, where a client connects anew when a connection has ended.
func (a *Agent) followMoved(p *pair, now time.Time) {
	c := a.chosen
	if c != nil && p != c && (p.valid || a.opts.Lite) && (!p.path.Stream() || c.path.Stream()) && a.silent(now) {
		a.choose(p, now)
	}
}

// silent says whether nothing has come on the path in use for a while.
func (a *Agent) silent(now time.Time) bool {
	heard := a.since
	if a.chosen.heard.After(heard) {
		heard = a.chosen.heard
	}
	if a.opts.Heard != nil {
		if h := a.opts.Heard(); h.After(heard) {
			heard = h
		}
	}
	return now.Sub(heard) > silence
}
