package client

import (
	"context"
	"net"
	"strconv"

	"github.com/pion/webrtc/v4"
)

// Path is a way that media and data take between the client and the server.
type Path struct {
	// Protocol is that to the server or, if there is one, to the relay: "udp",
	// "tcp" or, with a relay only, "tls".
	Protocol string
	// Relay says that a TURN server passes on what goes either way.
	Relay bool
	// Local is this end's address; with a relay, the relay's. Remote is the server's.
	Local, Remote string
}

// Paths are the ways that the room's connections take now: one of each that is
// connected. The error is ErrNotConnected, or that of ctx.
func (r *Room) Paths(ctx context.Context) ([]Path, error) {
	var all []Path
	err := r.do(ctx, func() error {
		if r.session == nil {
			return nil // in the middle of a full reconnect
		}
		for _, l := range []*link{r.session.pub, r.session.sub} {
			if l == nil || l.state != webrtc.PeerConnectionStateConnected {
				continue
			}
			if p, ok := pathOf(l.pc); ok {
				all = append(all, p)
			}
		}
		return nil
	})
	return all, err
}

func pathOf(pc *webrtc.PeerConnection) (Path, bool) {
	pair, err := pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return Path{}, false
	}
	p := Path{Protocol: pair.Local.Protocol.String(), Local: address(pair.Local), Remote: address(pair.Remote)}
	if pair.Local.Typ == webrtc.ICECandidateTypeRelay {
		p.Relay, p.Protocol = true, relayProtocol(pc, pair.Local)
	}
	return p, true
}

func address(c *webrtc.ICECandidate) string {
	return net.JoinHostPort(c.Address, strconv.Itoa(int(c.Port)))
}

// relayProtocol is how the client reaches the relay behind one of its candidates.
func relayProtocol(pc *webrtc.PeerConnection, c *webrtc.ICECandidate) string {
	for _, s := range pc.GetStats() {
		s, is := s.(webrtc.ICECandidateStats)
		if is && s.Type == webrtc.StatsTypeLocalCandidate && s.CandidateType == c.Typ && s.IP == c.Address && s.Port == int32(c.Port) {
			return s.RelayProtocol
		}
	}
	return ""
}
