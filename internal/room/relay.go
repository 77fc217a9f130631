package room

import (
	"slices"

	"github.com/livekit/protocol/livekit"
)

// Relay lets clients through firewalls.
type Relay interface {
	// Admit returns what the client of a participant's session may use, until
	// Revoke. It may be called again.
	Admit(participantSID string) []*livekit.ICEServer
	Revoke(participantSID string)
}

// iceServers are what p's client may use: those of the configuration, and our
// relay with credentials that end with p.
func (p *participant) iceServers() []*livekit.ICEServer {
	opts := p.state.opts
	if opts.Relay == nil {
		return opts.ICEServers
	}
	return slices.Concat(opts.ICEServers, opts.Relay.Admit(p.sid))
}
