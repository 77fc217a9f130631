package room

import "time"

// A client on LiveKit's Rust core with one connection makes an offer some 150 ms after
// it has cause to: a track of its own that we have taken in, or sections that we ask
// for. What gives it cause while that offer is made is forgotten, and what does so until
// the offer is answered deadlocks with the answer, for good (livekit-ffi up to 0.12.73).
// So it is given cause for one offer at a time: what comes while it gathers goes along,
// and all else waits for the answer. It has cause of its own when it takes a track back,
// of which we hear by the offer: what crosses that on the wire can still deadlock, which
// takes a way of more than those 150 ms. See fastPublish for what does not help.
const (
	// together is how long what gives cause goes along with what did first.
	together = 100 * time.Millisecond
	// turnPatience is how long an answer is waited for. An offer may not be needed; one
	// that is forgotten nevertheless comes after a reminder, which goes out at once.
	turnPatience = 3 * time.Second
)

// turns orders what gives a client cause for an offer.
type turns struct {
	begun    time.Time // when the first went out that is not answered; zero: there is none
	offering bool      // the offer is here, and nothing can go along
	held     []func(*participant)
}

func (p *participant) takesTurns() bool { return p.duplex != nil && p.req.rustCore() }

// prompt sends what gives the client cause for an offer, when it can take that. The
// participant may have been moved into another room by then.
func (p *participant) prompt(send func(*participant)) {
	t, now := &p.turns, p.state.now
	switch {
	case !p.takesTurns():
		send(p)
	case t.begun.IsZero():
		t.begun = now
		p.state.wakeAt(now.Add(turnPatience))
		send(p)
	case !t.offering && len(t.held) == 0 && now.Sub(t.begun) < together:
		send(p)
	default:
		t.held = append(t.held, send)
	}
}

// offering says that the client has made an offer, whatever the cause.
func (p *participant) offering() {
	if !p.takesTurns() {
		return
	}
	t := &p.turns
	t.offering = true
	if t.begun.IsZero() {
		t.begun = p.state.now
		p.state.wakeAt(t.begun.Add(turnPatience))
	}
}

// answered says that the client's offer has its answer: what has waited goes out.
func (p *participant) answered() {
	held := p.turns.held
	p.turns = turns{}
	for _, send := range held {
		p.prompt(send)
	}
}

// tickTurns waits no longer than its patience.
func (p *participant) tickTurns() {
	if p.turns.begun.IsZero() {
		return
	}
	due := p.turns.begun.Add(turnPatience)
	if !p.state.now.Before(due) {
		p.answered()
		return
	}
	p.state.wakeAt(due)
}
