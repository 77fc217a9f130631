package room

import (
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
)

// fastPublish has a client negotiate each time that it needs to, one offer after the
// other, as livekit-server has those do who may publish. Without it clients on LiveKit's
// Rust core gather what they need, and lose or deadlock over what comes too late (see
// turns).
//
// Others would offer when they join, for a connection that they may not need. And with
// one connection the core would take the answer to its first offer for that to the next
// one, if it publishes the moment that it is connected; that deadlocks too, as when its
// tracks come back with it after a restart of the server.
//
// A client is told when it joins and cannot be told later: one that may publish only
// after a change of its permission goes on to gather, and can forget a track.
func (j *Join) fastPublish() bool {
	return j.rustCore() && !j.SinglePC && j.Permission.CanPublish
}

// rustCore says that the client is one of those on LiveKit's Rust core.
func (j *Join) rustCore() bool {
	switch j.Client.GetSdk() {
	case livekit.ClientInfo_RUST, livekit.ClientInfo_NODE, livekit.ClientInfo_PYTHON, livekit.ClientInfo_CPP,
		livekit.ClientInfo_UNITY, livekit.ClientInfo_UNREAL, livekit.ClientInfo_DOTNET:
		return true
	}
	return false
}

// offersUnset says that the client may have sent its first offer before making it its
// own: Go's SDK has it set while it already reads our messages, and an answer that is
// quicker is refused by its connection and lost. There are no candidates in such an
// offer, for nothing has looked for any.
func (j *Join) offersUnset() bool {
	return j.SinglePC && j.Offer != nil && j.Client.GetSdk() == livekit.ClientInfo_GO && !strings.Contains(j.Offer.Sdp, "a=candidate:")
}

// unsetPatience is how long an answer waits for a sign that the client's offer is set,
// which is its first candidate.
const unsetPatience = time.Second

// negotiation is what a client is told of its connection for both ways, and cannot take
// before its offer is set.
type negotiation struct {
	unset bool // the offer may not be set
	held  []*livekit.SignalResponse
	due   time.Time // when held is sent in any case; zero: nothing is
}

// negotiate tells the client what belongs to its offers, in order.
func (p *participant) negotiate(r *livekit.SignalResponse) {
	if !p.negotiation.unset {
		p.reply(r)
		return
	}
	if p.negotiation.due.IsZero() {
		p.negotiation.due = p.state.now.Add(unsetPatience)
		p.state.wakeAt(p.negotiation.due)
	}
	p.negotiation.held = append(p.negotiation.held, r)
}

// offerSet says that the client can take what is held.
func (p *participant) offerSet() {
	held := p.negotiation.held
	p.negotiation.unset, p.negotiation.held, p.negotiation.due = false, nil, time.Time{}
	for _, r := range held {
		p.reply(r)
	}
}

// tickNegotiation waits no longer than its patience.
func (p *participant) tickNegotiation() {
	if due := p.negotiation.due; !due.IsZero() && !p.state.now.Before(due) {
		p.log.Info("client has sent no candidate, and is answered nevertheless")
		p.offerSet()
	}
	p.state.wakeAt(p.negotiation.due)
}
