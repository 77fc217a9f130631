package ice

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const (
	// step is the time between two tries of a check.
	step = 200 * time.Millisecond
	// slack is how much earlier a check may be sent again, so that those of
	// several paths go out on one Tick.
	slack = 20 * time.Millisecond
	// maxTries is how often a check is sent (RFC 8489 §6.2.1), unless the client
	// checks the path meanwhile, which begins the tries anew.
	maxTries = 7
	// A lite client checks nothing. It may be ready later than we: the checks go
	// on, slowly.
	slowStep = time.Second
	maxSlow  = 40

	flagSize = 4 // bytes of USE-CANDIDATE

	// The priorities of peer-reflexive candidates of one component, RFC 8445
	// §5.1.2.1. TCP, where the client connects to us, comes after UDP (RFC 6544
	// §4.2).
	priorityUDP    = stun.ReflexivePriority
	priorityStream = 110<<24 | (2<<13|8191)<<8 | 255
)

// pair is a path and what is known of it. The Agent's mu guards it.
//
// It is checked until it is valid: id is that of the check under way, due when that
// is sent again. One without either waits for the client to check it.
type pair struct {
	path     Path
	priority uint32    // the client's for it
	heard    time.Time // when an authentic message came on it; zero if none has
	valid    bool      // a check of ours was answered

	id          stun.ID // zero if none is under way
	controlling bool    // the role in that check
	use         bool    // it nominates
	tries       int
	sent, due   time.Time

	// What the client nominates, see follow.
	wished  time.Time // when it was nominated last
	insists bool      // it was a moment before, too
	value   uint32    // of the nomination, 0 if it has none
	left    bool      // the client has gone from it to another
}

// rank orders paths: UDP is better than TCP, and among them the client's priority
// counts.
func (p *pair) rank() uint64 {
	if p.path.Stream() {
		return uint64(p.priority)
	}
	return 1<<32 | uint64(p.priority)
}

// active is when something was last done on the path.
func (p *pair) active() time.Time {
	if p.heard.After(p.sent) {
		return p.heard
	}
	return p.sent
}

// find returns the pair of a path, nil if it is not known.
func (a *Agent) find(path Path) *pair {
	for _, p := range a.pairs {
		if p.path == path {
			return p
		}
	}
	return nil
}

// pairWith makes pairs of the paths to a candidate, as far as there is room.
func (a *Agent) pairWith(c candidate) {
	for _, path := range a.opts.Paths(c.addr) {
		switch p := a.find(path); {
		case p != nil:
			p.priority = c.priority // in the place of a guess, RFC 8838 §11.4
		case len(a.pairs) < maxPairs:
			a.pairs = append(a.pairs, &pair{path: path, priority: c.priority})
		}
	}
}

// learn returns the pair of a path that the client has checked, RFC 8445 §7.3.1.3.
// If there are too many it takes the place of the one of which nothing was heard for
// the longest time.
func (a *Agent) learn(path Path, priority uint32) *pair {
	if p := a.find(path); p != nil {
		return p
	}
	p := &pair{path: path, priority: priority}
	if len(a.pairs) < maxPairs {
		a.pairs = append(a.pairs, p)
		return p
	}
	oldest := -1
	for i, q := range a.pairs {
		if q != a.chosen && q != a.nominee && (oldest < 0 || q.active().Before(a.pairs[oldest].active())) {
			oldest = i
		}
	}
	a.pairs[oldest] = p
	return p
}

// checkAll checks all paths that are known when a session is started.
func (a *Agent) checkAll(now time.Time, s Sender) {
	if a.opts.Lite {
		a.followLast(now)
		return
	}
	var best *pair
	for _, p := range a.pairs {
		if !p.heard.IsZero() && (best == nil || p.rank() > best.rank()) {
			best = p
		}
	}
	if best != nil {
		a.propose(best, now)
	}
	for _, p := range a.pairs {
		a.check(p, now, s)
	}
}

// trigger checks a path because the client has, RFC 8445 §7.3.1.4: unless that is
// under way.
func (a *Agent) trigger(p *pair, now time.Time, s Sender) {
	if a.opts.Lite || p.valid || p == a.chosen {
		return
	}
	p.tries = 0
	if !a.better(p, now) && p.id != (stun.ID{}) && now.Sub(p.sent) < step {
		return
	}
	a.propose(p, now)
	a.check(p, now, s)
}

// retransmit sends the checks that are due, and gives those up that were sent often
// enough. An answer that comes later still counts.
func (a *Agent) retransmit(now time.Time, s Sender) {
	limit := maxTries
	if a.remoteLite {
		limit = maxSlow
	}
	for _, p := range a.pairs {
		if p.due.IsZero() || p.due.After(now.Add(slack)) {
			continue
		}
		if p.tries < limit && !p.path.Stream() {
			a.check(p, now, s)
			continue
		}
		p.due, p.valid = time.Time{}, false
		if p == a.nominee {
			a.nominee = nil
		}
	}
	a.nominate(now, s)
}

// buffers are for checks and answers.
var buffers = sync.Pool{New: func() any { return new([stun.MaxMessage]byte) }}

// check sends a check on the path: the one that is under way again, if it would say
// the same.
func (a *Agent) check(p *pair, now time.Time, s Sender) {
	if stun.CheckSize(a.asks)+flagSize > stun.MaxMessage {
		return // nobody's names are that long, RFC 8839 §5.4
	}
	use := a.controlling && p == a.nominee
	if p.id == (stun.ID{}) || p.controlling != a.controlling || p.use != use {
		_, _ = rand.Read(p.id[:]) // it never fails
		p.controlling, p.use = a.controlling, use
	}
	p.tries++
	p.sent, p.due = now, time.Time{}
	switch {
	case a.chosen != nil: // the client checks again if it needs the path
	case p.path.Stream(): // TCP loses nothing; the answer is just waited for
		p.due = now.Add(maxTries * step)
	case a.remoteLite && p.tries >= maxTries:
		p.due = now.Add(slowStep)
	default:
		p.due = now.Add(step)
	}

	room := buffers.Get().(*[stun.MaxMessage]byte)
	defer buffers.Put(room)
	var w stun.Writer
	priority := uint32(priorityUDP)
	if p.path.Stream() {
		priority = priorityStream
	}
	w.BeginCheck(room[:], p.id, a.asks, a.controlling, a.tieBreaker, priority)
	if use {
		w.Flag(stun.AttrUseCandidate)
	}
	s.Send(p.path, room[:w.End(&a.remoteKey)])
}

// pending returns the pair whose check the message answers, RFC 8445 §7.2.5.2.1: it
// must come from where the check went.
func (a *Agent) pending(m *stun.Message, from Path) *pair {
	p := a.find(from)
	if p == nil || p.id == (stun.ID{}) || p.id != stun.ID(m.ID) {
		return nil
	}
	return p
}

func (a *Agent) handleSuccess(b []byte, m *stun.Message, from Path, now time.Time, s Sender) {
	p := a.pending(m, from)
	if p == nil || !m.Authentic(b, &a.remoteKey) {
		return
	}
	p.id, p.due, p.tries = stun.ID{}, time.Time{}, 0
	p.valid, p.heard = true, now
	switch {
	case !a.controlling:
		a.follow(p, now)
		a.followMoved(p, now)
	case a.chosen != nil && !(p == a.nominee && p.use):
		a.followMoved(p, now)
	case p.use:
		a.choose(p, now)
	default:
		a.nominate(now, s)
	}
}

// handleError takes the refusal of a check. Only a conflict of roles means something,
// RFC 8445 §7.2.5.1: the role of the check was wrong.
func (a *Agent) handleError(b []byte, m *stun.Message, from Path, now time.Time, s Sender) {
	p := a.pending(m, from)
	if p == nil || m.ErrorCode != stun.RoleConflict || m.HasIntegrity() && !m.Authentic(b, &a.remoteKey) {
		return
	}
	p.id = stun.ID{}
	if a.controlling == p.controlling && !a.remoteLite {
		a.tieBreaker = mathrand.Uint64()
		a.setRole(!a.controlling)
	}
	if p.tries < maxTries { // two that refuse each other must come to an end
		a.check(p, now, s)
	}
	a.nominate(now, s)
}
