package room

import (
	"slices"
	"strings"

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
	if p.way == livekit.CandidateProtocol_TLS {
		return p.iceServersOver("turns:")
	}
	return p.allICEServers()
}

// iceServersOver are those of them with URLs of a scheme, and those URLs only.
func (p *participant) iceServersOver(scheme string) []*livekit.ICEServer {
	var some []*livekit.ICEServer
	for _, server := range p.allICEServers() {
		var urls []string
		for _, u := range server.Urls {
			if strings.HasPrefix(u, scheme) {
				urls = append(urls, u)
			}
		}
		if len(urls) > 0 {
			some = append(some, &livekit.ICEServer{Urls: urls, Username: server.Username, Credential: server.Credential})
		}
	}
	return some
}

func (p *participant) allICEServers() []*livekit.ICEServer {
	opts := p.state.opts
	if opts.Relay == nil {
		return opts.ICEServers
	}
	return slices.Concat(opts.ICEServers, opts.Relay.Admit(p.sid))
}
