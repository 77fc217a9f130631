package peer

import (
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// silence is how long nothing comes from where a client was before it counts as
// having moved: longer than the pause between our checks and those of most clients.
const silence = 3 * time.Second

// rebound finds out that a client is at another address without knowing it: a
// router on the way has forgotten its table, and begun a new one. The client sees
// its checks answered and does nothing; what we send goes nowhere. ICE has no rule
// for that, so pion would wait until the connection fails. The agent's goroutine
// owns it.
type rebound struct {
	now func() time.Time // immutable

	at   netip.AddrPort // where media goes
	seen time.Time      // when that began
}

// checked takes a check, authentic as pion has found, that came from an address
// while media goes to another or the same. heard is when the client was last heard
// of there. It reports whether media should go to the address from now on.
func (r *rebound) checked(from, at netip.AddrPort, heard time.Time) bool {
	now := r.now()
	if at != r.at {
		r.at, r.seen = at, now
	}
	if heard.Before(r.seen) {
		heard = r.seen
	}
	return from != at && now.Sub(heard) > silence
}

// The roles of ICE that a client can have.
const (
	roleUnknown = iota
	roleControlling
	roleControlled
)

// controls reports whether we have the controlling role: the other one than the
// client has in its checks, if it has made any.
func (c *conn) controls() bool {
	if role := c.role.Load(); role != roleUnknown {
		return role == roleControlled
	}
	return c.pc.SCTP().Transport().ICETransport().Role() == webrtc.ICERoleControlling
}

// learnRole takes a check that pion has found authentic, and no conflict.
func (c *conn) learnRole(check *stun.Message) {
	switch {
	case check.Contains(stun.AttrICEControlling):
		c.role.Store(roleControlling)
	case check.Contains(stun.AttrICEControlled):
		c.role.Store(roleControlled)
	default:
		return
	}
	if k := c.vigil.keeper.Load(); k != nil {
		k.SetRole(c.controls())
	}
}

// followRebound has c's media follow a client that is at another address.
func (c *conn) followRebound(e *webrtc.SettingEngine) {
	r := &rebound{now: time.Now}
	e.SetICEBindingRequestHandler(func(check *stun.Message, _, remote ice.Candidate, _ *ice.CandidatePair) bool {
		c.learnRole(check)
		path := c.packets.link.Path()
		ip, err := netip.ParseAddr(remote.Address())
		if path == nil || err != nil || remote.TCPType() != ice.TCPTypeUnspecified || !settled(c.pc.ICEConnectionState()) {
			return false
		}
		return r.checked(netip.AddrPortFrom(ip.Unmap(), uint16(remote.Port())), path.Addr(), c.vigil.heard())
	})
}

// settled says whether ICE has chosen a path, and nothing is looking for another.
func settled(s webrtc.ICEConnectionState) bool {
	switch s {
	case webrtc.ICEConnectionStateConnected, webrtc.ICEConnectionStateCompleted, webrtc.ICEConnectionStateDisconnected:
		return true
	}
	return false
}
