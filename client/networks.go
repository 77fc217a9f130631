package client

import (
	"context"

	"github.com/pion/webrtc/v4"
)

// UDP and TCP are networks for Options.NetworkTypes.
var (
	UDP = []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	TCP = []webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6}
)

// ICEServers returns the STUN and TURN servers that the server names, with the
// credentials for them.
func (r *Room) ICEServers(ctx context.Context) (servers []webrtc.ICEServer, err error) {
	err = r.do(ctx, func() error {
		if r.session == nil {
			return ErrNotConnected
		}
		servers = iceServers(r.session.iceServers)
		return nil
	})
	return servers, err
}
