package room

import (
	"context"
	"time"

	"github.com/livekit/protocol/livekit"
)

// comeBack is for how long a participant that has gone may be on its way back:
// longer than most SDKs try.
const comeBack = 2 * time.Minute

// clock is what time it is by the clock as it was when the client came: what its token
// said was true by that. If the clock was set since then, either may be right. The client
// can come back by both, and the tokens that it gets are made by this one, so that they
// promise no more than they would have.
func (p *participant) clock() time.Time { return steady(p.req.At, p.state.now) }

// steady is what time it is now by the clock as it was when it said at.
func steady(at, now time.Time) time.Time { return at.Add(now.Sub(at)) }

// revokedBefore is until when p's tokens must have been made to be worthless; zero
// stands for a moment from now, by whichever clock that is later.
func (p *participant) revokedBefore(asked time.Time) time.Time {
	if at := p.clock(); asked.IsZero() && at.After(time.Now().Round(0)) {
		return at.Add(revokeLeeway)
	}
	return asked
}

// ClockOf returns what time it is by the clock with which the identity came into the
// room, if it is there or was a moment ago, and was not sent away; else zero. Who starts
// over leaves before it comes again.
func (g *Registry) ClockOf(ctx context.Context, room, identity string) time.Time {
	if r := g.lookup(room); r != nil {
		var at time.Time
		if _, err := r.do(ctx, func(s *state) {
			if p := s.session(identity, ""); p != nil {
				at = p.clock()
			}
		}); err == nil && !at.IsZero() {
			return at
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last, there := g.farewell[g.lately[place{room, identity}]]
	if now := time.Now(); there && !sentAway(last.reason) && now.Sub(last.at) <= comeBack {
		return steady(last.came, now)
	}
	return time.Time{}
}

// sentAway says that a session with this end was ended on purpose, by somebody else.
func sentAway(reason livekit.DisconnectReason) bool {
	switch reason {
	case livekit.DisconnectReason_ROOM_DELETED, livekit.DisconnectReason_PARTICIPANT_REMOVED,
		livekit.DisconnectReason_DUPLICATE_IDENTITY, livekit.DisconnectReason_ROOM_CLOSED:
		return true
	}
	return false
}
